"Every internal link of the built site leads somewhere, nothing is loaded from elsewhere, every chapter shows its figures and mathematics"
import re, sys
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

site = Path(__file__).resolve().parent.parent.parent/'_docs'


def main():
    pages = {p: p.read_text(encoding='utf-8') for p in site.rglob('*.html')}
    if not pages: sys.exit('no site in _docs; build it with: make docs')
    ids = {p: set(re.findall(r'\b(?:id|name)="([^"]+)"', s)) for p, s in pages.items()}
    bad, links = [], 0
    for p, s in pages.items():
        for tag, attr, url in re.findall(r'<(\w+)\b[^>]*?\b(href|src)="([^"]*)"', s):
            u = urlsplit(unescape(url)); links += 1
            if u.scheme in ('data', 'mailto', 'javascript'): continue
            if u.scheme or u.netloc:
                if tag != 'a': bad.append(f'{p.name}: <{tag}> loads {url[:80]} from elsewhere')
                continue
            q = (p.parent/unquote(u.path)).resolve() if u.path else p
            if q.is_dir(): q = q/'index.html'
            if not q.is_file(): bad.append(f'{p.name}: {url} does not exist')
            elif u.fragment and q in ids and unquote(u.fragment) not in ids[q]: bad.append(f'{p.name}: {url} has no such place')
    for p, s in pages.items():
        if re.match(r'0[1-8]_', p.name):
            if s.count('<img') < 1: bad.append(f'{p.name}: no figures')
            if 'math' not in s: bad.append(f'{p.name}: no mathematics')
    if bad: sys.exit('\n'.join(['broken site:', *bad]))
    print(f'{len(pages)} pages, {links} links, all good')


if __name__ == '__main__': main()
