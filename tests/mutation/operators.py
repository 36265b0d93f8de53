"""Where C++ source of this project's layout (clang-format) can be changed by one small mistake.

Knows no grammar: spaces around binary operators tell them from templates and pointers. What does
not compile afterwards is no mutant and is not counted, so a wrong guess here costs time alone.
"""
import dataclasses
import hashlib
import re


@dataclasses.dataclass(frozen=True)
class Mutant:
    file: str  # from the root of the project
    line: int  # from 1
    column: int  # from 0
    operator: str
    before: str
    after: str
    text: str  # the line, stripped
    key: str = ""  # orders mutants at random; depends on the seed and the text, not on line numbers

    @property
    def name(self):
        return f"{self.file}:{self.line}:{self.column}:{self.operator}"

    def apply(self, source):
        """The source with this one change; the number of lines stays."""
        lines = source.split("\n")
        line = lines[self.line - 1]
        end = self.column + len(self.before)
        if line[self.column:end] != self.before:
            raise ValueError(f"{self.name}: the source has changed")
        lines[self.line - 1] = line[:self.column] + self.after + line[end:]
        return "\n".join(lines)


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


NOT_CODE = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"\((?:.*?)\)"|"(?:[^"\\\n]|\\.)*"|(?<![0-9a-fA-F])\'(?:[^\'\\\n]|\\.)+\''
    r"|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.S | re.M)
# Compiled or not, these say nothing that a test could see: static_assert, what makes a template,
# and explicit instantiations.
NO_BEHAVIOUR = re.compile(r"\bstatic_assert\s*\([^;]*;|^template\b[^;{]*[;{]"
                          r"|^using [^;]*;|^[A-Z_]+\([^;{]*\);|\boperator\S+", re.M)


def code_only(source):
    """The source with spaces in place of comments, literals, preprocessor lines and the like."""
    return NO_BEHAVIOUR.sub(blank, NOT_CODE.sub(blank, source))


# operator, pattern, what takes the place of group 1; one of several, by the seed.
REPLACEMENTS = [
    ("relation", r" (<) ", ["<=", ">="]),
    ("relation", r" (>) ", [">=", "<="]),
    ("relation", r" (<=) ", ["<", ">"]),
    ("relation", r" (>=) ", [">", "<"]),
    ("relation", r" (==) ", ["!="]),
    ("relation", r" (!=) ", ["=="]),
    ("logic", r" (&&) ", ["||"]),
    ("logic", r" (\|\|) ", ["&&"]),
    ("logic", r"[ (](!)(?=[\w(])", [""]),
    ("logic", r"\b(true)\b", ["false"]),
    ("logic", r"\b(false)\b", ["true"]),
    ("arithmetic", r" (\+) ", ["-"]),
    ("arithmetic", r" (-) ", ["+"]),
    ("arithmetic", r" (\*) ", ["+", "/"]),
    ("arithmetic", r" (/) ", ["*"]),
    ("arithmetic", r" (%) ", ["/"]),
    ("arithmetic", r" (\+=) ", ["-=", "="]),
    ("arithmetic", r" (-=) ", ["+=", "="]),
    ("arithmetic", r" (\*=) ", ["=", "/="]),
    ("arithmetic", r"(?:[=(,?:]|return) (-)(?=[\w(])", [""]),
    ("bits", r" (<<) ", [">>"]),
    ("bits", r" (>>) ", ["<<"]),
    ("bits", r" (&) ", ["|"]),
    ("bits", r" (\|) ", ["&"]),
    ("constant", r"(?<![\w.'])(0)(?![\w.'])", ["1"]),
    ("constant", r"(?<![\w.'])(?<!e-)([1-9]\d*)(?![\w.'])", [lambda n: str(int(n) + 1)]),
    ("constant", r"(?<![\w.'])(\d+\.\d+)(?![\w.'])", [lambda n: str(float(n) + 1.0)]),
    ("function", r"\bstd::(min)\b", ["max"]),
    ("function", r"\bstd::(max)\b", ["min"]),
    ("function", r"\bhn::(Min)\(", ["Max"]),
    ("function", r"\bhn::(Max)\(", ["Min"]),
    ("function", r"\bhn::(Add)\(", ["Sub"]),
    ("function", r"\bhn::(Sub)\(", ["Add"]),
    ("function", r"\bhn::(Mul)\(", ["Add"]),
    ("function", r"\bhn::(Div)\(", ["Mul"]),
    ("function", r"\bhn::(MulAdd)\(", ["NegMulAdd", "MulSub"]),
    ("function", r"\bhn::(NegMulAdd)\(", ["MulAdd"]),
    ("function", r"\bhn::(L)t\(", ["G"]),
    ("function", r"\bhn::(G)t\(", ["L"]),
    ("function", r"\bhn::(Lt)\(", ["Le"]),
    ("function", r"\bhn::(Gt)\(", ["Ge"]),
    ("function", r"\bhn::Interleave(Lower)\(", ["Upper"]),
    ("function", r"\bhn::Interleave(Upper)\(", ["Lower"]),
] + [("name", rf"\b({a})(?!\w|\()", [b]) for a, b in
     [("row_stride", "col_stride"), ("col_stride", "row_stride"), ("stride_h", "stride_w"),
      ("stride_w", "stride_h"), ("pad_h", "pad_w"), ("pad_w", "pad_h"), ("dilation_h", "dilation_w"),
      ("dilation_w", "dilation_h"), ("kh", "kw"), ("kw", "kh"), ("ih", "iw"), ("iw", "ih"),
      ("rows", "cols"), ("cols", "rows")]]
REPLACEMENTS = [(operator, re.compile(pattern), after) for operator, pattern, after in REPLACEMENTS]

ARGUMENTS = re.compile(r"(?<=[(,])( ?)([\w.\[\]]+), ([\w.\[\]]+)(?=[,)])")
CONDITION = re.compile(r"\b(?:if|while) \(")
WHOLE_STATEMENT = re.compile(r"(?:\+\+|--|\*)?[A-Za-z_][\w.:]*(?:->|[\w.\[\]():*+<>, -])*?"
                             r"(?: (?:[-+*/%|&^]|<<|>>)?= |\().*;$")
DECLARATION = re.compile(r"^(?:return|throw|using|const|auto|static|constexpr|delete|case|goto|else|if|for|while|do"
                         r"|class|struct|friend|typedef|virtual|explicit|public|private)\b"
                         r"|^[\w:<>,*& ]*[\w>&*] [*&]?[A-Za-z_]\w*(?: = |\(|;|\{|\[)")


def balanced(text):
    depth = 0
    for c in text:
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(c, 0)
        if depth < 0:
            return False
    return depth == 0


def closing(text, start):
    """The place of the parenthesis that closes the one at `start`, or None."""
    depth = 0
    for i in range(start, len(text)):
        depth += (text[i] == "(") - (text[i] == ")")
        if depth == 0:
            return i
    return None


def changes(code, line, previous):
    """(column, operator, before, choices) of the line; `code` is what code_only() left of it."""
    message = '"' in line or "std::to_string" in line or "printable(" in line
    for operator, pattern, choices in REPLACEMENTS:
        if message and operator in ("arithmetic", "bits"):
            continue  # text is glued together here
        for match in pattern.finditer(code):
            before = match.group(1)
            yield (match.start(1), operator, before,
                   [c(before) if callable(c) else c for c in choices])
    for match in CONDITION.finditer(code):
        start = match.end() - 1
        end = closing(code, start)
        if end is not None and ";" not in code[start:end]:
            condition = line[start:end + 1]
            yield start, "negated", condition, [f"(!{condition})"]
            yield start, "never", condition, [f"(false && {condition})"]
    for match in ARGUMENTS.finditer(code):
        a, b = match.group(2), match.group(3)
        if a not in (b, "d"):  # d: Highway's tag, which is no value
            yield match.start(2), "swapped", f"{a}, {b}", [f"{b}, {a}"]
    stripped = code.strip()
    column = len(code) - len(code.lstrip())
    starts = not previous or previous[-1] in ";{}:" or previous.endswith(("*/", ")", "else"))
    if stripped in ("continue;", "break;"):
        yield column, "deleted", stripped, [";"]
    elif (starts and line.startswith("  ") and balanced(stripped) and WHOLE_STATEMENT.match(stripped)
          and not DECLARATION.match(stripped)):
        yield column, "deleted", line[column:].rstrip(), [";"]
    for match in re.finditer(r"(?<=\) )(?:continue|break|return)(?: [^;]*)?;", code):
        if stripped.startswith("if "):
            yield match.start(), "deleted", line[match.start():match.end()], [";"]


def mutants(file, source, seed):
    """Every mutant of the source: at one place one change of each operator."""
    lines, codes = source.split("\n"), code_only(source).split("\n")
    found, seen = [], {}
    previous = ""
    for number, (line, code) in enumerate(zip(lines, codes), 1):
        for column, operator, before, choices in changes(code, line, previous):
            what = f"{seed}|{file}|{line.strip()}|{column - len(line) + len(line.lstrip())}|{operator}"
            seen[what] = seen.get(what, 0) + 1
            key = hashlib.sha256(f"{what}|{seen[what]}".encode()).hexdigest()
            after = choices[int(key[:8], 16) % len(choices)]
            found.append(Mutant(file, number, column, operator, before, after, line.strip(), key))
        previous = code.strip() or previous
    return found


def choose(candidates, count, most_of_a_file):
    """`count` of them by their keys, at most one a line and so many a file."""
    chosen, lines, files = [], set(), {}
    for mutant in sorted(candidates, key=lambda m: m.key):
        if len(chosen) == count:
            break
        place = (mutant.file, mutant.line)
        if place in lines or files.get(mutant.file, 0) == most_of_a_file:
            continue
        lines.add(place)
        files[mutant.file] = files.get(mutant.file, 0) + 1
        chosen.append(mutant)
    return sorted(chosen, key=lambda m: (m.file, m.line))
