// What the library needs of a browser, for tests: frames, the event stream, fetch. Each can be driven by hand.
type Frame = () => void;

/** Frames that wait to be drawn. */
export const frames = new Map<number, Frame>();
let counted = 0;

/** Draws one frame. */
export function frame(): void {
  const all = [...frames.values()];
  frames.clear();
  all.forEach((one) => one());
}

/** An event stream that tells what the test says. */
export class FakeSource extends EventTarget {
  static readonly CLOSED = 2;
  static opened: FakeSource[] = [];
  readyState = 0;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;

  readonly url: string;

  constructor(url: string) {
    super();
    this.url = url;
    FakeSource.opened.push(this);
  }

  close(): void {
    this.readyState = FakeSource.CLOSED;
  }

  tell(id: number, kind: string, data: object): void {
    if (this.readyState === FakeSource.CLOSED) return;
    this.dispatchEvent(new MessageEvent(kind, { data: JSON.stringify(data), lastEventId: String(id) }));
  }

  refuse(): void {
    this.readyState = FakeSource.CLOSED;
    this.onerror?.();
  }
}

/** The stream that was opened last. */
export function stream(): FakeSource {
  const last = FakeSource.opened.at(-1);
  if (last === undefined) throw new Error("no stream was opened");
  return last;
}

const page = new EventTarget();
/** Something that happens to the page. */
export function happen(kind: string, more: object = {}): void {
  page.dispatchEvent(Object.assign(new Event(kind), more));
}

Object.assign(globalThis, {
  requestAnimationFrame: (act: Frame) => {
    counted += 1;
    frames.set(counted, act);
    return counted;
  },
  cancelAnimationFrame: (number: number) => frames.delete(number),
  EventSource: FakeSource,
  addEventListener: page.addEventListener.bind(page),
  removeEventListener: page.removeEventListener.bind(page),
});
