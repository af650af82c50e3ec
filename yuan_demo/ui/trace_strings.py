"""The words of answers as files, in English and Chinese; see `panel_strings`."""

# key: (English, Chinese)
TRACE: dict[str, tuple[str, str]] = {
    "tr_what": (
        "Keep this answer as a file: prompt, ids, candidates, settings, seed and the model's "
        "checksums. Anybody can open it here, without the model as well.",
        "把这个回答保存为文件：提示、编号、候选、设置、种子和模型校验和。"
        "任何人都能在这里打开，没有该模型也行。",
    ),
    "tr_what_none": (
        "An answer that somebody saved as a file can be opened here, or dropped onto this tab.",
        "可以在这里打开别人保存的回答文件，也可以把文件拖到本标签页。",
    ),
    "tr_what_file": (
        "See whether the model that is loaded here gives the same answer, or take it along as a "
        "script.",
        "看看这里加载的模型是否给出相同的回答，或者复制为脚本带走。",
    ),
    "tr_save": ("Save this answer as a file", "将此回答保存为文件"),
    "tr_open": ("Open a file", "打开文件"),
    "tr_replay": ("Generate it again", "重新生成一遍"),
    "tr_replay_title": (
        "From the same prompt ids, settings and seed, with the model that is loaded; tells whether "
        "the same ids come out. Others who chat go first.",
        "用当前模型、相同的提示编号、设置和种子重新生成，看编号是否一致。会排在其他人的对话之后。",
    ),
    "tr_script": ("Copy as Python", "复制为 Python"),
    "tr_script_title": (
        "A script that generates the same ids with transformers and the demo's model files",
        "一段脚本，用 transformers 和本演示的模型文件生成相同的编号",
    ),
    "tr_stop": ("Stop", "停止"),
    "tr_close": ("Close the file", "关闭文件"),
    # While it works
    "tr_checking": ("Checking …", "正在检查……"),
    "tr_reading_file": ("Reading the file …", "正在读取文件……"),
    "tr_hashing": (
        "Reading the model's files for their checksums: {p} …",
        "正在读取模型文件并计算校验和：{p}……",
    ),
    "tr_waiting": ("Waiting until nobody is in line …", "正在等待，让排队的人先用……"),
    "tr_replaying": ("{n} of {all} ids agree so far …", "目前 {n} / {all} 个编号一致……"),
    "tr_copying": ("Writing the script …", "正在生成脚本……"),
    # What came of it
    "tr_saved": ("Saved as {name}.", "已保存为 {name}。"),
    "tr_opened": ("Opened {name}.", "已打开 {name}。"),
    "tr_stopped": ("Stopped.", "已停止。"),
    "tr_copied": (
        "Copied: {n} lines. Save them as a file in the demo's folder and run it with Python.",
        "已复制 {n} 行。请在演示程序的文件夹中存为文件，用 Python 运行。",
    ),
    "tr_agree": ("All {n} ids agree.", "全部 {n} 个编号一致。"),
    "tr_agree_one": ("Its only id agrees.", "唯一的编号一致。"),
    "tr_change": (
        "No log-probability differs by more than {n}.",
        "各对数概率之差不超过 {n}。",
    ),
    "tr_differs": (
        "Token {n} is the first that differs: ",
        "从第 {n} 个词元开始不同：",
    ),
    "tr_then": (" ({p}) then, ", "（{p}）是当时的，"),
    "tr_now": (" ({p}) now.", "（{p}）是现在的。"),
    "tr_now_nothing": (
        " ({p}) then; now it ended before ({reason}).",
        "（{p}）是当时的；这次在此之前就结束了（{reason}）。",
    ),
    "tr_before": ("The {n} before it agree.", "之前的 {n} 个一致。"),
    "tr_model_same": ("The model's files are the same.", "模型文件相同。"),
    "tr_model_other": ("The model's files are others.", "模型文件不同。"),
    "tr_model_unknown": (
        "Whether the model's files are the same is not known.",
        "无法确定模型文件是否相同。",
    ),
    "tr_other": ("{name} then {then}, now {now}.", "{name}：当时 {then}，现在 {now}。"),
    "tr_name_dtype": ("Number format", "数值格式"),
    "tr_name_device": ("Device", "设备"),
    "tr_name_quantize": ("Quantization", "量化"),
    "tr_name_torch": ("PyTorch", "PyTorch"),
    "tr_name_transformers": ("transformers", "transformers"),
    # A file that is shown
    "tr_from": ("From a file: {name} · turn {n}", "来自文件：{name} · 第 {n} 轮"),
    "tr_badge": ("From a file", "来自文件"),
    "tr_by": (
        "Saved {time}, by {model}, {size} M parameters, {dtype} on {device}.",
        "保存于 {time}，模型 {model}，{size} M 参数，{dtype}，{device}。",
    ),
    "tr_same": (
        "The model that is loaded here has the same files: everything can be asked of it.",
        "这里加载的模型文件相同，所有功能都可以使用。",
    ),
    "tr_foreign": (
        "Another model is loaded here, so what would have to ask the model is left out: rating the "
        "prompt, the sampler, any string, branches, and the Why tab. Generating it again is "
        "possible, to compare.",
        "这里加载的是另一个模型，因此不提供需要模型计算的部分：给提示打分、采样过程、任意字符串、"
        "分支和“为什么”页。可以重新生成来比较。",
    ),
    "tr_prompt": ("Its prompt: {n} tokens", "它的提示：{n} 个词元"),
    "tr_settings": ("Its settings", "它的设置"),
    "tr_files": ("The model's files", "模型文件"),
    "tr_origin_none": ("unknown", "未知"),
    "tr_token": ("{origin}, turn {n}, id {id}", "{origin}，第 {n} 轮，编号 {id}"),
    "tr_work": (
        "{reused} tokens of the prompt reused, {computed} computed, first token after {first} s, "
        "then {speed} tokens/s",
        "提示复用 {reused} 个词元，计算 {computed} 个；{first} 秒后出现首个词元，"
        "之后每秒 {speed} 个词元",
    ),
    "tr_too_large": (
        "A file of an answer has at most {limit} MB, but this one has {size} MB. Choose one that "
        "was saved here.",
        "回答文件最大 {limit} MB，这个文件有 {size} MB。请选择在这里保存的文件。",
    ),
    "tr_unreadable": (
        "The browser could not read this file. Choose it again.",
        "浏览器无法读取这个文件。请重新选择。",
    ),
    "tr_drop": ("Drop the file to open it", "松开以打开文件"),
}

TRACE_ERRORS: dict[str, tuple[str, str]] = {
    "trace_too_large": (
        "A file of an answer must have at most {limit} characters, but has {size}. Choose one that "
        "was saved here.",
        "回答文件最多 {limit} 个字符，这个文件有 {size} 个。请选择在这里保存的文件。",
    ),
    "trace_no_json": (
        "A file of an answer must be whole JSON, but is not from line {line}, column {column} on. "
        "It may have been cut off or edited: save or download it again.",
        "回答文件必须是完整的 JSON，但从第 {line} 行第 {column} 列起不是。"
        "文件可能被截断或改动过，请重新保存或下载。",
    ),
    "trace_other_kind": (
        "This must be an answer that was saved in the Answer tab, but is another kind of file. "
        "Choose a file yuan-trace-….json.",
        "这里只能打开在“回答”标签页保存的回答，这是另一种文件。请选择 yuan-trace-….json。",
    ),
    "trace_newer": (
        "This file must be of version {known} at most, but has version {version}: a newer demo "
        "wrote it. Update this demo and open it again.",
        "最多支持版本 {known} 的文件，这个文件是版本 {version}，由更新的演示程序写成。"
        "请更新本程序后再打开。",
    ),
    "trace_missing": (
        "The file must have {where}, but has not. It was edited or damaged: save it again.",
        "文件中必须有 {where}，但缺失。文件被改动或损坏，请重新保存。",
    ),
    "trace_unknown": (
        "The file must have no {where}, which is nothing known here. It was edited: save it again.",
        "文件中不应有 {where}，这里不认识它。文件被改动过，请重新保存。",
    ),
    "trace_no_object": (
        "In the file {where} must be an object, but is {value}. It was edited or damaged: save it "
        "again.",
        "文件中 {where} 必须是对象，现在是 {value}。文件被改动或损坏，请重新保存。",
    ),
    "trace_no_list": (
        "In the file {where} must be a list of {low} to {high} values, but is {value}. It was "
        "edited or damaged: save it again.",
        "文件中 {where} 必须是 {low} 到 {high} 个值的列表，现在是 {value}。"
        "文件被改动或损坏，请重新保存。",
    ),
    "trace_no_text": (
        "In the file {where} must be a text of {low} to {high} characters, but is {value}. It was "
        "edited or damaged: save it again.",
        "文件中 {where} 必须是 {low} 到 {high} 个字符的文本，现在是 {value}。"
        "文件被改动或损坏，请重新保存。",
    ),
    "trace_no_choice": (
        "In the file {where} must be one of {known}, but is {value}. It was edited or damaged: "
        "save it again.",
        "文件中 {where} 必须是 {known} 之一，现在是 {value}。文件被改动或损坏，请重新保存。",
    ),
    "trace_no_form": (
        "In the file {where} must be written like {example}, but is {value}. It was edited or "
        "damaged: save it again.",
        "文件中 {where} 必须写成 {example} 的形式，现在是 {value}。文件被改动或损坏，请重新保存。",
    ),
    "trace_no_whole": (
        "In the file {where} must be a whole number from {low} to {high}, but is {value}. It was "
        "edited or damaged: save it again.",
        "文件中 {where} 必须是 {low} 到 {high} 的整数，现在是 {value}。"
        "文件被改动或损坏，请重新保存。",
    ),
    "trace_no_number": (
        "In the file {where} must be a number from {low} to {high}, but is {value}. It was edited "
        "or damaged: save it again.",
        "文件中 {where} 必须是 {low} 到 {high} 的数，现在是 {value}。"
        "文件被改动或损坏，请重新保存。",
    ),
    "trace_other_piece": (
        "In the file {where} is {id}, which is {piece} to the model, but the file spells it "
        "{found}: it was changed after it was saved. Open it as it was saved.",
        "文件中 {where} 是 {id}，对模型而言是 {piece}，但文件写的是 {found}：文件保存后被改动过。"
        "请打开未改动的文件。",
    ),
    "trace_lengths": (
        "In the file {where} must go with {other}, which has {expected}, but has {count}. It was "
        "edited or damaged: save it again.",
        "文件中 {where} 必须与 {other} 的 {expected} 个对应，现在有 {count} 个。"
        "文件被改动或损坏，请重新保存。",
    ),
    "trace_bad_record": (
        "The page must send an answer as it keeps it, but did not. Load the page again.",
        "页面必须按保存的样子发送回答，现在不是。请重新加载页面。",
    ),
    "trace_unfinished": (
        "An answer can be kept as a file once it has ended and all of it is known, which is not so "
        "here. Wait for its end, or press retry.",
        "回答结束且数据完整之后才能保存为文件，现在还不行。请等它结束，或点重试。",
    ),
    "trace_no_answer": (
        "Only an answer in which the model chose at least one token can be generated again, but in "
        "this one it chose none. Choose another.",
        "至少有一个词元由模型选出的回答才能重新生成，这个回答没有。请选择另一个。",
    ),
    "trace_model_gone": (
        "This needs the model that wrote the answer, but another one is loaded by now. Press retry "
        "to have the answer written by this one.",
        "这需要写出该回答的模型，但现在加载的是另一个。请点重试，用当前模型重新回答。",
    ),
}
