// Whether two values are the same JSON, so that writing what is already so writes nothing.

/** Equal as JSON values. The order of keys says nothing: the log does not keep it. */
export function sameJson(left: unknown, right: unknown): boolean {
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null)
    return left === right;
  const ofRight = new Map(Object.entries(right));
  const ofLeft = Object.entries(left);
  return (
    Array.isArray(left) === Array.isArray(right) &&
    ofLeft.length === ofRight.size &&
    ofLeft.every(([key, value]) => ofRight.has(key) && sameJson(value, ofRight.get(key)))
  );
}
