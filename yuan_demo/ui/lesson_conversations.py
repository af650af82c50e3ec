"""The long conversation of the lesson on the fourth question.

Each answer has more sentences than are needed, one a line: the lesson cuts them so that the whole
prompt has a number of tokens to the token, whatever the tokenizer.
"""

from dataclasses import dataclass
from itertools import product

from yuan_demo.core.budget import write
from yuan_demo.core.messages import Message, turns_of
from yuan_demo.core.options import PromptOptions
from yuan_demo.core.tokens import Tokenizer
from yuan_demo.ui.strings import Language

_TRIES = 100


@dataclass(frozen=True, slots=True)
class LongTalk:
    """Three questions with long answers, and the fourth question.

    Attributes:
        questions: the first three.
        answers: the sentences of the answer to each; any number of them from the first on makes
            an answer.
        space: what stands between two sentences.
        draft: the fourth question.
    """

    questions: tuple[str, ...]
    answers: tuple[tuple[str, ...], ...]
    space: str
    draft: str


def _lines(text: str) -> tuple[str, ...]:
    return tuple(text.strip().split("\n"))


_ENGLISH = LongTalk(
    questions=(
        "I have three days for Hangzhou in April. What should I see?",
        "How do I cook noodles with tomatoes and eggs?",
        "I am learning Python. When do I take a list, and when a dictionary?",
    ),
    answers=(
        _lines("""
April is a good month for Hangzhou, because the tea is being picked and the lake is green.
On the first morning start early at West Lake and walk along the Su Causeway before the crowds.
The causeway is almost three kilometres long and crosses six old stone bridges.
Take a small boat to the island in the middle of the lake and stay there for an hour.
Have lunch near the lake and order a fish in vinegar sauce, which is the best known dish here.
In the afternoon climb the hill to Leifeng Pagoda and look at the whole lake from above.
On the second day take the bus to Lingyin Temple, which lies in a quiet valley.
Look at the figures that were cut into the rocks beside the path a thousand years ago.
From the temple a footpath leads over the hills to the tea villages around Longjing.
In April you can watch how the leaves are picked, dried by hand in a hot pan, and packed.
Ask a farmer for a cup of new tea before you buy any, because the price depends on the day.
On the third day go to the Grand Canal and take the slow public boat to Gongchen Bridge.
The old streets behind the bridge have small museums about knives, fans and umbrellas.
If it rains, the silk museum is free and large enough for half a day.
In the evening walk through Hefang Street, where you can try many small dishes.
A room near the lake costs more, but you save an hour on the bus every day.
The underground is cheap and clean, and you can pay for it with your telephone.
Take a light raincoat with you, because short showers are common at this time of the year.
On holidays at the beginning of April the city is very full, so book your train early.
Keep one afternoon free, because the best part of the lake is to sit beside it and do nothing.
"""),
        _lines("""
You need two ripe tomatoes, three eggs, one spring onion and noodles for two people.
Cut the tomatoes into small pieces and keep the juice, because it becomes the soup.
Beat the eggs with a little salt until you see no more white.
Heat two spoons of oil in a pan and pour the eggs in when the oil is hot.
Stir slowly and take the eggs out while they are still soft, so that they do not get dry.
Put the white part of the spring onion into the same pan and fry it for half a minute.
Add the tomatoes with a spoon of sugar and cook them until they fall apart.
The sugar takes away the sour taste and brings out the colour.
Pour in two bowls of hot water and let it boil for five minutes.
In a second pot bring plenty of water to the boil for the noodles.
Fresh noodles need about three minutes, and dry noodles need six or seven.
Stir them once at the beginning, so that they do not stick to each other.
Put the eggs back into the tomato soup and add salt and a few drops of soy sauce.
Taste it now, because it is easy to add salt and impossible to take it out again.
Lift the noodles into two bowls and pour the soup with the eggs over them.
Cut the green part of the onion into rings and put it on top.
If you like it hot, add a little pepper or a spoon of chilli oil.
Eat it at once, because the noodles drink the soup when they have to wait.
With a little more water and no noodles the same recipe gives you a simple soup.
The whole meal takes twenty minutes and costs less than a coffee in town.
"""),
        _lines("""
A list keeps things in an order, and you find them again by their position.
A dictionary keeps pairs of a key and a value, and you find a value again by its key.
Take a list when the order matters or when you want to go through all things one after another.
The lines of a file, the moves of a game and the messages of a chat are good lists.
Take a dictionary when you want to look something up by a name or a number.
A telephone book, the settings of a program and the count of each word are good dictionaries.
You write a list in square brackets and put commas between the things in it.
You write a dictionary in curly brackets, with a colon between each key and its value.
To add something to the end of a list you call its method append.
To add a pair to a dictionary you simply assign a value to a new key.
Looking for a value in a long list is slow, because Python compares one thing after another.
Looking for a key in a dictionary is fast, however many pairs it holds.
A key must not change, so a number, a text or a tuple can be a key, but a list cannot.
If you ask a dictionary for a key that is not there, Python raises a KeyError.
The method get returns None in that case, or another value that you choose.
Since Python 3.7 a dictionary also remembers the order in which you added the keys.
If you only want to know whether something is there, a set is better than both.
Often you need both of them together, for example a list of dictionaries, one for each person.
Start with the one that reads more easily, because you can change it later.
Write ten small programs with each of them, and you will soon feel which one fits.
"""),
    ),
    space=" ",
    draft="Thank you! Now please sum up everything you have told me so far in three short points.",
)

_CHINESE = LongTalk(
    questions=(
        "我四月份想去杭州玩三天，有什么推荐的行程吗？",
        "番茄鸡蛋面怎么做才好吃？",
        "我在学 Python，什么时候用列表，什么时候用字典？",
    ),
    answers=(
        _lines("""
四月去杭州正合适，西湖边的柳树绿了，龙井村也在采新茶。
第一天早上建议早点出门，趁人少的时候沿着苏堤慢慢走一遍。
苏堤全长将近三公里，一路要经过六座古老的石桥，走走停停大约一个半小时。
然后坐手划船到湖心的小岛上看看，在岛上待一个小时就够了。
中午可以在湖边吃饭，西湖醋鱼是当地最有名的菜，口味偏酸甜。
下午爬上雷峰塔，从高处看整个西湖，天气好的时候能看到很远的山。
第二天坐公交车去灵隐寺，寺庙在一个安静的山谷里，树很高，空气也好。
路边的石壁上有一千多年前刻的佛像，值得停下来仔细看看。
从灵隐寺后面有一条小路，翻过山就能走到龙井一带的茶村。
四月份可以看到茶农怎样采茶、怎样在热锅里用手炒茶。
买茶之前先请茶农泡一杯尝尝，因为价格每天都不一样。
第三天可以去大运河，坐慢悠悠的水上巴士到拱宸桥。
桥边的老街上有几家小博物馆，分别介绍刀剪、扇子和雨伞。
如果下雨，就去丝绸博物馆，那里免费，足够逛上半天。
晚上去河坊街走走，可以尝到很多当地的小吃。
住在湖边会贵一些，但是每天能省下一个小时的路程。
地铁又便宜又干净，用手机就可以付钱。
记得带一件轻便的雨衣，这个季节常常会下小雨。
鞋子要选舒服的，因为每天差不多要走两万步。
湖边的自行车可以扫码租，骑一圈大约两个小时。
清明假期的时候人特别多，火车票一定要提前买好。
最后留一个下午什么也不做，坐在湖边发发呆，这才是西湖最好的地方。
"""),
        _lines("""
先准备两个熟透的番茄、三个鸡蛋、一根小葱，还有两个人的面条。
把番茄切成小块，流出来的汁不要倒掉，它就是汤的味道。
鸡蛋加一点盐打散，打到看不见蛋白为止，炒出来才会又嫩又匀。
锅里放两勺油，油热了以后再倒入蛋液，这样鸡蛋才会蓬松。
用筷子慢慢划散，鸡蛋还软的时候就盛出来，不然会变老。
用锅里剩下的油把葱白炒半分钟，闻到香味就可以了。
接着放番茄和一勺糖，炒到番茄变软、出汁、颜色发红。
糖可以压住酸味，也能让汤的颜色更好看。
加两碗热水，大火烧开以后再煮五分钟，让番茄的味道都到汤里去。
另外用一口锅烧水煮面，水要多放一些。
新鲜的面条大约煮三分钟，干面条要煮六七分钟。
刚下锅的时候用筷子搅一下，免得面条粘在一起。
把炒好的鸡蛋放回番茄汤里，加盐和几滴酱油。
这时候尝一尝味道，淡了可以再加盐，咸了就没有办法了。
把面条捞到两个碗里，再把番茄鸡蛋汤浇在上面。
葱绿切成小圈，撒在面上，又香又好看。
喜欢吃辣的话，可以加一点胡椒或者一勺辣椒油。
想让汤更浓，可以把一半番茄先捣成泥再下锅。
手边有青菜的话，出锅前烫几片放进去，颜色更好看。
做好以后马上吃，放久了面条会把汤吸干。
如果不放面条，多加一碗水，就是一锅番茄鸡蛋汤。
整顿饭只要二十分钟，比在外面喝一杯咖啡还便宜。
"""),
        _lines("""
列表按顺序保存东西，你用位置来找到它们，第一个的位置是零。
字典保存的是一对一对的键和值，你用键来找到对应的值，不用管它排在第几个。
如果顺序很重要，或者你想把所有东西从头到尾处理一遍，就用列表。
文件里的每一行、棋局里的每一步、聊天中的每条消息，都适合放在列表里。
如果你想按照名字或者编号去查找某样东西，就用字典。
电话簿、程序的设置、每个单词出现的次数，都适合放在字典里。
列表写在方括号里，各个元素之间用逗号隔开。
字典写在花括号里，键和值之间用冒号隔开。
想在列表的末尾添加元素，就调用它的 append 方法。
想给字典增加一对内容，直接给一个新的键赋值就可以了。
在很长的列表里查找一个值比较慢，因为 Python 要一个一个地比较。
在字典里查找一个键很快，不管里面有多少内容。
键必须是不会改变的东西，所以数字、字符串和元组可以做键，列表不可以。
如果字典里没有你要的键，Python 会报 KeyError 错误。
这时候可以用 get 方法，它会返回 None，或者返回你指定的默认值。
从 Python 3.7 开始，字典也会记住键加入的先后顺序。
如果你只想知道某样东西在不在里面，用集合会更好。
列表可以排序，字典可以按键排序，也可以按值排序。
用 for 循环遍历字典时，拿到的是键，想同时拿到值就用 items 方法。
很多时候两种要一起用，比如一个列表，里面每个人是一个字典。
一开始选读起来更清楚的那一种，以后随时可以修改。
每一种都写上十个小程序，你很快就会感觉到哪一种更合适。
"""),
    ),
    space="",
    draft="谢谢你！请把你前面讲过的所有内容概括成三条简短的要点，每条不超过二十个字。",
)

LONG_TALKS: dict[Language, LongTalk] = {"en": _ENGLISH, "zh": _CHINESE}


def cut_to(
    target: int, talk: LongTalk, tokenizer: Tokenizer, options: PromptOptions
) -> tuple[Message, ...]:
    """The three turns, with answers so long that the whole prompt has `target` tokens.

    Answers are cut after a sentence. There are thousands of ways to do it, so one of those that
    should be right by the lengths of the answers, and leave these about equal, is right to the
    token. Should none be, the nearest is taken.
    """
    beginnings = [
        [talk.space.join(answer[:count]) for count in range(1, len(answer) + 1)]
        for answer in talk.answers
    ]
    lengths = [
        [len(tokenizer.encode_with_offsets(text, parse_control=False)) for text in texts]
        for texts in beginnings
    ]

    def cut(places: tuple[int, ...]) -> tuple[Message, ...]:
        messages: list[Message] = []
        for question, texts, place in zip(talk.questions, beginnings, places, strict=True):
            messages += (Message("user", question), Message("assistant", texts[place]))
        return tuple(messages)

    def tokens(places: tuple[int, ...]) -> int:
        messages = (*cut(places), Message("user", talk.draft))
        return len(write(turns_of(messages), tokenizer, options).tokens)

    def answers(places: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(texts[place] for texts, place in zip(lengths, places, strict=True))

    shortest = (0,) * len(talk.answers)
    around = tokens(shortest) - sum(answers(shortest))

    def looks(places: tuple[int, ...]) -> tuple[int, int]:
        sizes = answers(places)
        return abs(around + sum(sizes) - target), max(sizes) - min(sizes)

    ways = sorted(product(*(range(len(texts)) for texts in beginnings)), key=looks)[:_TRIES]
    exact = next((places for places in ways if tokens(places) == target), None)
    return cut(exact or min(ways, key=lambda places: abs(tokens(places) - target)))
