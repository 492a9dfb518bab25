"Sampling speed of the packaged model, ours against diffusers' DDIM pipeline with the same weights, in one run; prints ratios, asserts nothing"
import tempfile, time

import torch

from ddpm_nb.interop import load_pretrained, to_diffusers
from ddpm_nb.sampler import DDPMSampler


def timed(f, repeat=3):
    f(); best = float('inf')
    for _ in range(repeat):
        t = time.perf_counter(); f(); best = min(best, time.perf_counter() - t)
    return best


def main(n=64, steps=20):
    model, s = load_pretrained('mnist'); sm = DDPMSampler(s)
    rows = {f'{m}-{k}': timed(lambda: sm.sample(model, (n, 1, 32, 32), m, k)) for m, k in (('ddim', steps), ('dpmpp_2m', steps), ('heun', steps//2), ('ddpm', steps))}
    try:
        with tempfile.TemporaryDirectory() as d:
            to_diffusers(model, s, f'{d}/m'); import diffusers
            pipe = diffusers.DDIMPipeline.from_pretrained(f'{d}/m'); pipe.set_progress_bar_config(disable=True)
            rows[f'diffusers ddim-{steps}'] = timed(lambda: pipe(batch_size=n, num_inference_steps=steps, output_type='np'))
    except ValueError as e: print(e)
    base = rows[f'ddim-{steps}']
    print(f"{n} images, {torch.get_num_threads()} threads\n" + '\n'.join(f'{k:20}{v:8.2f} s{n/v:9.1f} images/s{v/base:8.2f} × ddim-{steps}' for k, v in rows.items()))


if __name__ == '__main__': main()
