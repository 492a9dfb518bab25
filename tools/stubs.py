"""Stubs for editors and type checkers: what `@patch` adds to a class stands in the class there.

A `.pyi` goes beside each module that patches a class or whose class is patched, and beside the
package's `__init__`, whose names are lazy. Made from the source alone: nothing is imported, so the
stubs are the same on every machine. Parameter comments (docments) go into the docstrings.
"""

import ast
import io
import shutil
import subprocess
import sys
import textwrap
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "ddpm_nb"
SKIPPED = {"_modidx", "_moved", "all", "config", "interop", "report", "widgets"}
KEPT_DECORATORS = {
    "property",
    "staticmethod",
    "classmethod",
    "contextmanager",
    "dataclass",
    "overload",
    "cache",
    "setter",
}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
LITERALS = {
    ast.JoinedStr: "str",
    (ast.List, ast.ListComp): "list",
    (ast.Dict, ast.DictComp): "dict",
    (ast.Set, ast.SetComp): "set",
    ast.Tuple: "tuple",
    ast.Compare: "bool",
}
BUILT = {"list", "dict", "set", "tuple", "str", "int", "float", "bool", "bytes"}


class Module:
    "One module of the package, parsed: its text, definitions, imports and comments"

    def __init__(
        self,
        path: Path,  # of the `.py`
        package: Path = PACKAGE,  # the package's folder
    ):
        self.path = path
        parts = path.relative_to(package).with_suffix("").parts
        self.name = ".".join(p for p in parts if p != "__init__")
        self.depth = len(parts)  # dots that lead from here to the package
        self.text = path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text)
        self.tokens = list(tokenize.generate_tokens(io.StringIO(self.text).readline))
        comments = [t for t in self.tokens if t.type == tokenize.COMMENT]
        self.comments = {t.start[0]: t.string.lstrip("# ") for t in comments}  # line -> text
        self.alone = {t.start[0] for t in comments if t.line.lstrip().startswith("#")}
        self.origin = {}  # imported name -> (module or None for `import a.b`, name, level)
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                for a in node.names:
                    self.origin.setdefault(a.asname or a.name, (node.module, a.name, node.level))
            elif isinstance(node, ast.Import):
                for a in node.names:
                    bound = a.asname or a.name.split(".")[0]
                    self.origin.setdefault(bound, (None, a.name if a.asname else bound, 0))
        self.defined = {
            n.name: n for n in self.tree.body if isinstance(n, (*FUNCTIONS, ast.ClassDef))
        }

    def absolute(
        self,
        module: str | None,  # as an import statement names it
        level: int,  # its leading dots
    ) -> str:  # the module's name inside the package; '' for another package
        "Which of the package's modules an import statement means"
        if level:
            here = self.name.split(".")[: self.depth - level]
            return ".".join([*here, *([module] if module else [])])
        if module and module.startswith("ddpm_nb."):
            return module.removeprefix("ddpm_nb.")
        return ""

    def knows(
        self,
        kind: str,  # a type, as source
    ) -> bool:
        "Whether every name in a type is imported, defined or built in"
        names = {n.id for n in ast.walk(ast.parse(kind)) if isinstance(n, ast.Name)}
        return all(n in self.origin or n in self.defined or n in BUILT or n == "Any" for n in names)

    def home(
        self,
        name: str,  # used in this module
    ) -> str | None:  # the package's module that defines it; None if it is none of ours
        "Where a name of the package that this module uses was defined"
        if name in self.defined:
            return self.name
        if name in self.origin:
            module, _, level = self.origin[name]
            return self.absolute(module, level) or None
        return None


def dotted(node: ast.AST) -> str:
    "A name such as `torch.no_grad`, without its call; '' if it is something else"
    if isinstance(node, ast.Call):
        return dotted(node.func)
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def patch_of(f) -> ast.AST | None:
    "The decorator `@patch`, if a function has it"
    return next((d for d in f.decorator_list if dotted(d) == "patch"), None)


def patched_classes(f) -> list[str]:
    "The classes that a function with `@patch` goes into"
    first = (f.args.posonlyargs + f.args.args)[0].annotation
    return [n.id for n in ast.walk(first) if isinstance(n, ast.Name)]


def find_patches(modules: dict) -> dict:  # (module, class) -> [(module, function)]
    "Every method that `@patch` adds, under the class it is added to"
    found = {}
    for m in modules.values():
        for f in m.tree.body:
            if isinstance(f, FUNCTIONS) and patch_of(f):
                for cls in patched_classes(f):
                    found.setdefault((m.home(cls), cls), []).append((m, f))
    for (home, _), methods in found.items():  # the class's own module comes first
        methods.sort(key=lambda row: (row[0].name != home, row[0].name, row[1].lineno))
    return found


def parameters(f) -> list[ast.arg]:
    "All parameters of a function, in the order of the source"
    a = f.args
    more = [x for x in (a.vararg, a.kwarg) if x]
    return sorted(
        a.posonlyargs + a.args + a.kwonlyargs + more, key=lambda x: (x.lineno, x.col_offset)
    )


def header_end(m: Module, f) -> int:
    "The line of the colon that ends a function's header"
    depth, started = 0, False
    for token in m.tokens:
        if token.start[0] < f.lineno or token.type != tokenize.OP:
            continue
        started = started or token.string == "("
        depth += (token.string in "([{") - (token.string in ")]}")
        if started and depth == 0 and token.string == ":":
            return token.start[0]
    raise ValueError(f"{m.path}: {f.name} has no end of its header")


def docments(m: Module, f) -> dict:  # name -> comment; 'return' for what comes back
    "The comments of a function's parameters: on their own line, or on the lines above it"
    end, starts = header_end(m, f), {}
    for p in parameters(f):
        starts.setdefault(p.lineno, []).append(p.arg)

    def above(line):  # the comments that stand alone on the lines before
        found = []
        while line - 1 in m.alone and line - 1 not in starts and line - 1 > f.lineno:
            line -= 1
            found.insert(0, m.comments[line])
        return found

    found = {}
    for line, names in starts.items():
        if len(names) == 1 and line < end:
            own = [m.comments[line]] if line in m.comments else []
            found[names[0]] = " ".join(above(line) + own)
    own = [m.comments[end]] if end in m.comments else []
    here = [n for n in starts.get(end, ()) if n not in ("self", "cls")]
    if here and not f.returns and len(here) == 1:
        found[here[0]] = " ".join(own)
    else:
        found["return"] = " ".join((above(end) if end not in starts else []) + own)
    return {k: v for k, v in found.items() if v}


def wrapped(doc: str) -> list[str]:
    "The lines of a docstring, long ones broken"
    return [part for line in doc.splitlines() for part in textwrap.wrap(line, 88) or [""]]


def described(doc: str | None, m: Module, f=None) -> list[str]:
    "A docstring with what the parameters of `f` mean, as source lines"
    notes = docments(m, f) if f else {}
    if not doc and not notes:
        return []
    lines = wrapped(doc or "")
    known = [p.arg for p in parameters(f) if p.arg in notes] if f else []
    for title, rows in (
        ("Args", [f"{name}: {notes[name]}" for name in known]),
        ("Returns", [notes["return"]] if "return" in notes else []),
    ):
        if rows:
            lines += ["", f"{title}:"]
            for row in rows:
                lines += textwrap.wrap(row, 84, initial_indent="    ", subsequent_indent="        ")
    text = "\n".join(lines).strip().replace("\\", "\\\\").replace('"""', r"\"\"\"")
    if text.endswith('"'):
        text += " "
    return f'"""{text}"""'.splitlines() if "\n" not in text else f'"""{text}\n"""'.splitlines()


def simple(node) -> bool:
    "Whether a default may stand in a stub as it is"
    if isinstance(node, (ast.Tuple, ast.List)):
        return all(map(simple, node.elts))
    if isinstance(node, ast.UnaryOp):
        return simple(node.operand)
    return isinstance(node, ast.Constant) and len(repr(node.value)) < 40


def annotation(node, default=None) -> str | None:
    "A parameter's type, with None where that is the default"
    if node is None:
        return None
    text = ast.unparse(node)
    none = isinstance(default, ast.Constant) and default.value is None
    return f"{text} | None" if none and "None" not in text and "Any" not in text else text


def value_type(node, types: dict) -> str:
    "The type of what is assigned, as far as it can be seen"
    if isinstance(node, ast.Constant) and node.value is not None:
        return type(node.value).__name__
    for kinds, name in LITERALS.items():
        if isinstance(node, kinds):
            return name
    if isinstance(node, ast.BinOp) and value_type(node.left, types) in ("str", "list", "dict"):
        return value_type(node.left, types)
    if isinstance(node, ast.Name):
        return types.get(node.id) or "Any"
    return call_type(node, types) if isinstance(node, ast.Call) else "Any"


def call_type(node: ast.Call, types: dict) -> str:
    "The type of what a call returns, if it makes an object of a class"
    name = dotted(node)
    if name in ("copy.copy", "copy.deepcopy") and len(node.args) == 1:
        return value_type(node.args[0], types)
    last = name.split(".")[-1]
    is_class = name in BUILT or (last[:1].isupper() and not last.isupper())
    return name if is_class else "Any"


def returns(f) -> str | None:
    "The type of what a function returns, where its annotation or its body says it"
    text = ast.unparse(f.returns) if f.returns else None
    own = list(own_nodes(f))
    yields = any(isinstance(n, (ast.Yield, ast.YieldFrom)) for n in own)
    if any(dotted(d).split(".")[-1] == "contextmanager" for d in f.decorator_list):
        if text is None or not text.startswith(("Iterator", "Generator", "Iterable")):
            return f"Iterator[{text or 'Any'}]"
    if text:
        return text
    if yields:
        return "Iterator[Any]"
    given = [n.value for n in own if isinstance(n, ast.Return) and n.value is not None]
    abstract = any(isinstance(n, ast.Raise) for n in f.body)
    return None if given or abstract else "None"


def own_nodes(f):
    "The nodes of a function's body, without those of functions inside it"
    todo = list(f.body)
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            todo += ast.iter_child_nodes(node)


class Writer:
    "Writes the stub of one module, and remembers which names it needs"

    def __init__(self, module: Module, modules: dict, patches: dict):
        self.module, self.modules, self.patches = module, modules, patches
        self.needed = {}  # name -> module that uses it
        self.lines = []

    def need(self, text: str | None, m: Module):
        "Note the names in an annotation or decorator, so that they are imported"
        if text:
            for node in ast.walk(ast.parse(text, mode="eval")):
                if isinstance(node, ast.Name):
                    self.needed.setdefault(node.id, m)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    if node.value.isidentifier():
                        self.needed.setdefault(node.value, m)
        return text

    def delegated(self, m: Module, f) -> list:
        "`(parameter, default, module)` of what `@delegates(g)` puts in place of `**kwargs`"
        call = next((d for d in f.decorator_list if dotted(d) == "delegates"), None)
        if call is None or not f.args.kwarg or not getattr(call, "args", None):
            return []
        target = dotted(call.args[0])
        found = self.find(m, target)
        if found is None:
            return []
        home, g = found
        hidden = {k.arg: k.value for k in call.keywords}.get("but")
        out = set(ast.literal_eval(hidden)) if hidden is not None else set()
        have = {p.arg for p in parameters(f)} | out | {"self"}
        rows = [r for r in self.delegated(home, g) if r[0].arg not in have]
        a = g.args
        positional = a.posonlyargs + a.args
        first = len(positional) - len(a.defaults)
        pairs = [*zip(positional[first:], a.defaults), *zip(a.kwonlyargs, a.kw_defaults)]
        return [(p, d, home) for p, d in pairs if p.arg not in have and d is not None] + rows

    def find(self, m: Module, target: str) -> tuple | None:  # (module, function)
        "The function that a name such as `DDPMSampler.run` means"
        cls, _, method = target.partition(".")
        home = self.modules.get(m.home(cls) or "")
        if home is None:
            return None
        node = home.defined.get(cls)
        if isinstance(node, FUNCTIONS):
            return home, node
        method = method or "__init__"
        for where, f in self.patches.get((home.name, cls), []):
            if f.name == method:
                return where, f
        own = [f for f in getattr(node, "body", []) if isinstance(f, FUNCTIONS)]
        return next(((home, f) for f in own if f.name == method), None)

    def signature(self, m: Module, f, method: bool) -> str:
        "The parameters of a function, as source"
        a, out = f.args, []
        positional = a.posonlyargs + a.args
        defaults = [None] * (len(positional) - len(a.defaults)) + a.defaults

        def one(p, default, where, prefix=""):
            if method and not out and not prefix and p is positional[0]:
                return p.arg
            kind = self.need(annotation(p.annotation, default), where)
            text = f"{prefix}{p.arg}" + (f": {kind}" if kind else "")
            if default is None:
                return text
            shown = ast.unparse(default) if simple(default) else "..."
            return text + (f" = {shown}" if kind else f"={shown}")

        for i, (p, default) in enumerate(zip(positional, defaults)):
            out.append(one(p, default, m))
            if a.posonlyargs and i == len(a.posonlyargs) - 1:
                out.append("/")
        more = self.delegated(m, f)
        if a.vararg:
            out.append(one(a.vararg, None, m, "*"))
        elif a.kwonlyargs or more:
            out.append("*")
        out += [one(p, d, m) for p, d in zip(a.kwonlyargs, a.kw_defaults)]
        out += [one(p, d, where) for p, d, where in more]
        if a.kwarg and not more:
            out.append(one(a.kwarg, None, m, "**"))
        return ", ".join(out)

    def function(self, m: Module, f, indent: str = "", method: bool = False):
        "Write one function"
        static = any(dotted(d) == "staticmethod" for d in f.decorator_list)
        call = patch_of(f)
        options = {k.arg for k in call.keywords} if isinstance(call, ast.Call) else set()
        if "as_prop" in options:
            self.lines.append(f"{indent}@property")
        if "cls_method" in options:
            self.lines.append(f"{indent}@classmethod")
        for d in f.decorator_list:
            if dotted(d).split(".")[-1] in KEPT_DECORATORS:
                self.lines.append(f"{indent}@{self.need(ast.unparse(d), m)}")
        kind = self.need(returns(f), m)
        arrow = f" -> {kind}" if kind else ""
        text = self.signature(m, f, method and not static)
        if f.name == "__init__" and ast.get_docstring(f) is None:
            doc = []  # the class's docstring tells of its parameters
        else:
            doc = described(ast.get_docstring(f), m, f)
        self.lines.append(f"{indent}def {f.name}({text}){arrow}:" + ("" if doc else " ..."))
        self.lines += [f"{indent}    {line}".rstrip() for line in doc]
        if doc:
            self.lines.append(f"{indent}    ...")

    def attributes(self, m: Module, cls, methods: list) -> dict:  # name -> type
        "What the methods of a class put on `self`"
        stated = {t for n in cls.body if isinstance(n, ast.AnnAssign) for t in targets(n)}
        names = stated | {t for n in cls.body if isinstance(n, ast.Assign) for t in targets(n)}
        names |= {f.name for _, f in methods}
        found = {}
        for where, f in methods:
            if any(dotted(d) in ("staticmethod", "classmethod") for d in f.decorator_list):
                continue
            types = {p.arg: annotation(p.annotation) for p in parameters(f)}
            me = (f.args.posonlyargs + f.args.args)[0].arg
            for node in sorted(own_nodes(f), key=lambda n: getattr(n, "lineno", 0)):
                for target, value in assignments(node):
                    if not isinstance(target, ast.Attribute) or dotted(target.value) != me:
                        continue
                    kind = value_type(value, types) if value is not None else "Any"
                    if isinstance(node, ast.AnnAssign):
                        kind = ast.unparse(node.annotation)
                    if target.attr not in names:
                        found.setdefault(target.attr, {})[kind] = where
        out = {}
        for name, kinds in found.items():
            kind, where = next(iter(kinds.items())) if len(kinds) == 1 else ("Any", m)
            if not where.knows(kind):  # the name of a variable inside the method
                kind = "Any"
            out[name] = self.need(kind, where)
        return out

    def clazz(self, m: Module, cls):
        "Write one class, with the methods it defines, and those that `@patch` adds"
        bases = [ast.unparse(b) for b in cls.bases]
        bases += [f"{k.arg}={ast.unparse(k.value)}" for k in cls.keywords if k.arg]
        for b in cls.bases:
            self.need(ast.unparse(b), m)
        for d in cls.decorator_list:
            if dotted(d).split(".")[-1] in KEPT_DECORATORS:
                self.lines.append(f"@{self.need(ast.unparse(d), m)}")
        self.lines.append(f"class {cls.name}" + (f"({', '.join(bases)})" if bases else "") + ":")
        start = len(self.lines)
        made = (f for f in cls.body if isinstance(f, FUNCTIONS) and f.name == "__init__")
        init = next((f for f in made if ast.get_docstring(f) is None), None)
        doc = described(ast.get_docstring(cls), m, init)
        self.lines += [f"    {line}".rstrip() for line in doc]
        added = self.patches.get((m.name, cls.name), [])
        own = [(m, f) for f in cls.body if isinstance(f, FUNCTIONS)]
        for node in cls.body:
            if isinstance(node, (ast.Assign, ast.AnnAssign)):
                self.assign(m, node, "    ", is_class=True)
        for name, kind in self.attributes(m, cls, own + added).items():
            self.lines.append(f"    {name}: {kind}")
        if registers_buffers(added + own):
            self.needed.setdefault("Tensor", m)
            self.lines.append("    def __getattr__(self, name: str) -> Tensor: ...")
        replaced = {f.name for _, f in added}
        for where, f in own + added:
            # with `__getattr__`, a checker would take every name for one that exists
            if f.name == "__getattr__" or (where is m and f in cls.body and f.name in replaced):
                continue
            self.function(where, f, "    ", method=True)
        if len(self.lines) == start:
            self.lines.append("    ...")

    def assign(self, m: Module, node, indent: str = "", is_class: bool = False):
        "Write the names that a statement assigns"
        if isinstance(node, ast.AnnAssign):
            kind = self.need(annotation(node.annotation, node.value), m)
            given = ""
            if is_class and node.value is not None:
                given = f" = {ast.unparse(node.value) if simple(node.value) else '...'}"
            self.lines.append(f"{indent}{ast.unparse(node.target)}: {kind}{given}")
            return
        for target, value in assignments(node):
            if isinstance(target, ast.Name) and target.id not in ("__getattr__", "__all__"):
                if isinstance(value, ast.Name) and value.id in m.defined:
                    self.lines.append(f"{indent}{target.id} = {value.id}")
                elif isinstance(value, ast.Call) and dotted(value).endswith("namedtuple"):
                    self.need(ast.unparse(value.func), m)
                    self.lines.append(f"{indent}{target.id} = {ast.unparse(value)}")
                else:
                    kind = self.need(value_type(value, {}) if value is not None else "Any", m)
                    self.lines.append(f"{indent}{target.id}: {kind}")

    def body(self):
        "Write what stands at the module's top level"
        m = self.module
        for node in flat(m.tree.body):
            if isinstance(node, ast.ClassDef):
                self.clazz(m, node)
            elif isinstance(node, FUNCTIONS):
                if not patch_of(node) and node.name != "__getattr__":
                    self.function(m, node)
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                self.assign(m, node)

    def imports(self) -> list[str]:
        "Import statements for the names that the stub uses"
        out = set()
        mine = {t for n in self.module.tree.body if isinstance(n, ast.Assign) for t in targets(n)}
        mine |= set(self.module.defined)
        for name, m in self.needed.items():
            if name in mine and m.name == self.module.name:
                continue
            home = m.home(name)
            if home == self.module.name:
                continue
            if home is not None and home in self.modules:
                out.add(f"from {self.relative(home)} import {name} as {name}")
            elif name in m.origin:
                module, original, _ = m.origin[name]
                if module is None:
                    out.add(f"import {original}" + (f" as {name}" if original != name else ""))
                else:
                    alias = f" as {name}" if original != name else ""
                    out.add(f"from {module} import {original}{alias}")
            elif name in ("Any",):
                out.add("from typing import Any")
            elif name == "Iterator":
                out.add("from collections.abc import Iterator")
        return sorted(out)

    def relative(self, home: str) -> str:
        "How this module names another one of the package"
        return "." * self.module.depth + home

    def text(self) -> str:
        "The stub"
        public = []
        for node in self.module.tree.body:
            if isinstance(node, ast.Assign) and targets(node) == ["__all__"]:
                public = [ast.unparse(node)]
                for name in ast.literal_eval(node.value):
                    self.needed.setdefault(name, self.module)
        self.body()
        doc = ast.get_docstring(self.module.tree)
        lines = wrapped(doc or "")
        end = '\n"""' if len(lines) > 1 else '"""'
        head = ['"""' + "\n".join(lines) + end] if doc else []
        note = f"# written by tools/export.py from {self.module.path.name}; do not edit"
        return "\n".join([note, *head, *self.imports(), "", *public, *self.lines]) + "\n"


def registers_buffers(methods: list) -> bool:
    "Whether a class has buffers whose names only running it tells"
    calls = (n for _, f in methods for n in own_nodes(f) if isinstance(n, ast.Call))
    found = (c for c in calls if dotted(c).endswith(".register_buffer"))
    return any(not isinstance(c.args[0], ast.Constant) for c in found)


def targets(node: ast.Assign | ast.AnnAssign) -> list[str]:
    "The plain names that a statement assigns"
    return [t.id for t, _ in assignments(node) if isinstance(t, ast.Name)]


def assignments(node):
    "`(target, value or None)` of an assignment, those of tuples one by one"
    if isinstance(node, ast.AnnAssign):
        yield node.target, node.value
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            if not isinstance(target, (ast.Tuple, ast.List)):
                yield target, node.value
            elif isinstance(node.value, ast.Tuple) and len(node.value.elts) == len(target.elts):
                yield from zip(target.elts, node.value.elts)
            else:
                yield from ((t, None) for t in target.elts)


def flat(body: list):
    "Statements of a module, those under `if` and `try` included"
    for node in body:
        if isinstance(node, (ast.If, ast.Try)):
            yield from flat(node.body)
        else:
            yield node


def init_stub(package: Path) -> str:
    "The stub of the package itself: the lazy names, imported"
    m = Module(package / "__init__.py", package)
    home = next(n.value for n in m.tree.body if isinstance(n, ast.Assign) and "_HOME" in targets(n))
    rows = [
        f"from .{module} import {name} as {name}"
        for module, names in ast.literal_eval(home).items()
        for name in names.split()
    ]
    names = [row.split()[-1] for row in rows]
    head = "# written by tools/export.py from __init__.py; do not edit"
    doc = f'"""{ast.get_docstring(m.tree)}\n"""'
    every = f"__all__ = {names!r}"
    return "\n".join([head, doc, *sorted(rows), "", "__version__: str", every]) + "\n"


def formatted(text: str) -> str:
    "Source as `ruff format` leaves it"
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    if ruff is None:
        sys.exit("stubs are formatted by ruff, which is not installed; run: make setup-dev")
    config = ROOT / "pyproject.toml"
    args = [ruff, "--config", str(config)]
    name = ["--stdin-filename", "stub.pyi", "-"]
    sort = [*args, "check", "--quiet", "--select", "I", "--fix-only", *name]
    for cmd in (sort, [*args, "format", "--quiet", *name]):
        text = subprocess.run(
            cmd, input=text, capture_output=True, encoding="utf-8", check=True, cwd=ROOT
        ).stdout
    return text


def stubs(package: Path = PACKAGE) -> dict[Path, str]:
    "The path and text of every stub that belongs beside the package's modules"
    paths = [p for p in sorted(package.rglob("*.py")) if p.stem not in SKIPPED]
    modules = {m.name: m for m in (Module(p, package) for p in paths)}
    patches = find_patches(modules)
    named = {home for home, _ in patches} | {m.name for fs in patches.values() for m, _ in fs}
    out = {package / "__init__.pyi": formatted(init_stub(package))}
    for name in sorted(n for n in named if n in modules):
        m = modules[name]
        out[m.path.with_suffix(".pyi")] = formatted(Writer(m, modules, patches).text())
    return out


def write(package: Path = PACKAGE) -> list[Path]:
    "Write the stubs that differ, remove those that nothing needs any more; the paths concerned"
    changed, wanted = [], stubs(package)
    for path, text in wanted.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="\n")
            changed.append(path)
    for path in sorted(package.rglob("*.pyi")):
        if path not in wanted:
            path.unlink()
            changed.append(path)
    return changed
