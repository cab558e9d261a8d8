// Who is told what: topics are about, counts, current, event, list, live, telemetry.
const listeners = new Set();

/** run(topic, item). Gives a function that ends it. */
export function listen(run) {
  listeners.add(run);
  return () => listeners.delete(run);
}

export function tell(topic, item) {
  for (const run of [...listeners]) run(topic, item);
}
