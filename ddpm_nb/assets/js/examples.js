// Ten digits of the test set, one of each class, that panels start from.

/** Images `(10, size, size)` in [-1,1], from the widget's bytes or from a file of the page. */
export async function loadExamples(model) {
  let bytes = model.get("examples"); // of a widget
  if (bytes?.buffer) bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  else {
    const response = await fetch(new URL(model.get("examples_url"), document.baseURI));
    if (!response.ok) throw new Error("The example digits are not on this site.");
    bytes = new Uint8Array(await response.arrayBuffer());
  }
  const per = bytes.length / 10;
  return Array.from({ length: 10 }, (_, i) =>
    Float32Array.from(bytes.subarray(i * per, (i + 1) * per), (value) => value / 127.5 - 1),
  );
}
