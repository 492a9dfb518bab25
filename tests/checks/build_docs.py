"Build the docs site into _docs: notebooks → _proc (nbdev) → HTML (smalldocs); shows the source that is exported, loads nothing from elsewhere"
import ast, json, os, re, shutil, subprocess, sys
from pathlib import Path

root = Path(__file__).resolve().parent.parent.parent
text = lambda c: ''.join(c.get('source', ''))
read = lambda p: json.loads(p.read_text(encoding='utf-8'))


def exported(cell):
    "The source that a cell exports, without directives; empty for hidden cells and for imports alone"
    src = text(cell); flags = set(re.findall(r'^#\|\s*(\w+)', src, re.M))
    if cell['cell_type'] != 'code' or 'export' not in flags or 'hide' in flags: return ''
    code = re.sub(r'^#\|.*\n?', '', src, flags=re.M).strip()
    return '' if all(isinstance(n, (ast.Import, ast.ImportFrom)) for n in ast.parse(code).body) else code


def weave(nb, proc):
    "nbdev's processed notebook, with the whole exported source where nbdev shows only its signature"
    docs = [c for c in proc['cells'] if re.search(r'^show_doc\(', text(c), re.M)]
    kept = {c['id']: c for c in proc['cells'] if c not in docs}
    head = re.compile(r'^#{2,6} .*$', re.M); ids = {c['id'] for c in nb['cells']}
    out = [c for i, c in kept.items() if i not in ids]; docs = iter(docs)
    for c in nb['cells']:
        src = text(c)
        if src.startswith('# ') and c['id'] not in kept: # nbdev keeps title and tagline of this cell, and drops what follows
            rest = re.sub(r'\A# .*\n*(?:>.*\n*)*', '', src).strip()
            if rest: out.append(dict(cell_type='markdown', id=c['id'], metadata={}, source=rest))
        elif code := exported(c):
            names = [n for n in ast.parse(code).body if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and not n.name.startswith('_')]
            heads = [head.search(''.join(next(docs)['outputs'][0]['data']['text/markdown']))[0] for _ in names]
            out.append(dict(cell_type='markdown', id=c['id'], metadata={}, source='\n\n'.join([*heads, '::: {.exported}\n```python\n' + code + '\n```\n:::'])))
        elif c['id'] in kept: out.append(kept[c['id']])
    for c in out:
        if c['cell_type'] == 'raw': c['source'] = re.sub(r'^output-file:.*\n', '', text(c), flags=re.M) # smalldocs keeps the notebooks' names
    if next(docs, None): sys.exit('more documented definitions than exported ones')
    return proc | dict(cells=out)


def local(site, hosts):
    "Rewrite what would be loaded from, or points to, a host to what lies in the site"
    page = {re.sub(r'^\d+[a-z]?_', '', p.stem): p.name for p in site.glob('*.html')} # nbdev links to core.html, the page is 00_core.html
    for p in site.rglob('*.html'):
        up = '../'*(len(p.relative_to(site).parts) - 1)
        s = re.sub(r'https?://[^"\']*?/katex(?:@[^/"\']*)?/dist/', f'{up}katex/', p.read_text(encoding='utf-8'))
        for h in hosts: s = re.sub(re.escape(h) + r'/(\w+)\.html', lambda m: up + page[m[1]], s)
        p.write_text(s, encoding='utf-8')


def main():
    os.chdir(root); sys.path.insert(0, str(root))
    os.environ['PYTHONWARNINGS'] = 'ignore:Found cells containing imports' # our hidden cells; they are not run for the docs anyway
    from nbdev.config import get_config
    from nbdev.serve import proc_nbs
    proc, site = root/'_proc', root/'_docs'
    for d in (proc, site): shutil.rmtree(d, ignore_errors=True)
    proc_nbs()
    for p in proc.glob('*.ipynb'): p.write_text(json.dumps(weave(read(root/'nbs'/p.name), read(p))), encoding='utf-8')
    shutil.copytree(root/'nbs'/'images', proc/'images', dirs_exist_ok=True)
    subprocess.run([str(Path(sys.executable).parent/'smalldocs'), 'render', '--quiet', '--strict', '_proc'], check=True)
    out = next(p for p in (proc/'_docs', site) if p.is_dir())
    if out != site: shutil.move(out, site)
    shutil.copytree(root/'nbs'/'katex', site/'katex')
    c = get_config(); local(site, [c.doc_host.rstrip('/') + c.doc_baseurl.rstrip('/')])
    print(f"built {len(list(site.rglob('*.html')))} pages in {site.relative_to(root)}")


if __name__ == '__main__': main()
