"Build the docs site into _docs: notebooks → _proc (nbdev) → HTML (smalldocs), with KaTeX from the repository instead of a CDN"
import os, re, shutil, subprocess, sys
from pathlib import Path

root = Path(__file__).resolve().parent.parent
os.chdir(root)
sys.path.insert(0, str(root))


def main():
    from nbdev.config import get_config
    from nbdev.serve import proc_nbs
    for d in ('_proc', '_docs'): shutil.rmtree(d, ignore_errors=True)
    proc_nbs()
    site = root/'_docs'
    subprocess.run([str(Path(sys.executable).parent/'smalldocs'), 'render', '_proc'], check=True)
    out = next(p for p in (root/'_proc'/'_docs', site) if p.is_dir())
    if out != site: shutil.move(out, site)
    for d in ('katex', 'images'): shutil.copytree(root/'nbs'/d, site/d, dirs_exist_ok=True)
    # nbdev links to the pages quarto would write (core.html); smalldocs keeps the notebooks' names (00_core.html)
    host = get_config().doc_host.rstrip('/') + get_config().doc_baseurl.rstrip('/')
    page = {re.sub(r'^\d+[a-z]?_', '', p.stem): p.name for p in site.glob('*.html')}
    for p in site.rglob('*.html'):
        up = '../'*(len(p.relative_to(site).parts) - 1)
        s = re.sub(r'https?://[^"\']*?/katex(?:@[^/"\']*)?/dist/', f'{up}katex/', p.read_text(encoding='utf-8'))
        s = re.sub(re.escape(host) + r'/(\w+)\.html', lambda m: up + page[m[1]], s)
        p.write_text(s, encoding='utf-8')
    print(f"built {len(list(site.rglob('*.html')))} pages in {site.relative_to(root)}")


if __name__ == '__main__': main()
