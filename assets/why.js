// The Why tab: which parts of the prompt made the model say a stretch of an answer.
