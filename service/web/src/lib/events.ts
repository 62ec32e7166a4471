// What happens to a job, as it happens: /api/v1/jobs/{id}/events, in batches of what came within one frame.

/** Where a job stands, in the words of the wire. */
export type JobState =
  | "draft"
  | "held"
  | "queued"
  | "claimed"
  | "preparing"
  | "running"
  | "finishing"
  | "verifying"
  | "lost"
  | "done"
  | "failed"
  | "cancelled"
  | "expired";

/** How far a run is. */
export interface Progress {
  /** The part of the operations that is done, from 0 to 1. */
  readonly fraction: number;
  /** Seconds since the measured part began. */
  readonly seconds: number;
  /** The score so far, in the benchmark's unit. */
  readonly score: number;
  /** The score of the latest step alone. */
  readonly score_now: number;
}

/** What happened, by its kind. */
export type Happening =
  | { readonly kind: "created"; readonly state: JobState }
  | { readonly kind: "held" | "requeued" | "expired"; readonly why: string }
  | { readonly kind: "claimed"; readonly attempt: string; readonly node: string; readonly fence: number }
  | ({ readonly kind: "progress" } & Progress)
  | { readonly kind: "verified"; readonly passed: boolean; readonly check: string }
  | {
      readonly kind: "failed";
      readonly class: "benchmark" | "infra" | "policy";
      readonly code: string;
      readonly detail: string;
    }
  | { readonly kind: "returned"; readonly finishing: boolean }
  | { readonly kind: "cancel_requested" | "cancelled"; readonly by: string }
  | {
      readonly kind:
        | "submitted"
        | "released"
        | "preparing"
        | "started"
        | "finishing"
        | "result_received"
        | "lease_lost";
    };

/** The word for what happened. */
export type Kind = Happening["kind"];

/** An event of a job, in histories and streams alike. */
export interface JobEvent {
  /** Counts the job's events from 1; on the queue's stream still that of the job. */
  readonly seq: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly kind: Kind;
  /** Where the job stands after it. */
  readonly state: JobState;
  readonly job: string;
  readonly data: Happening;
}

/** All kinds; a Record, so that the compiler misses none. A browser hears only of kinds that are asked for. */
const KINDS: Readonly<Record<Kind, true>> = {
  created: true,
  submitted: true,
  held: true,
  released: true,
  claimed: true,
  preparing: true,
  started: true,
  progress: true,
  finishing: true,
  result_received: true,
  verified: true,
  failed: true,
  lease_lost: true,
  returned: true,
  requeued: true,
  cancel_requested: true,
  cancelled: true,
  expired: true,
};

/** What the page does with the stream. */
export interface Listener {
  /** Events in their order, all that came since the last call; at most one call a frame, never an empty one. */
  events(events: readonly JobEvent[]): void;
  /** What is shown may be of another time: forget it. On a job's stream all its events follow. */
  reset?(): void;
  /** The job has ended in that state, all was told, and the stream is closed. */
  end?(state: JobState): void;
  /** Whether the stream is open; false: it was interrupted, and is being opened again. */
  connected?(open: boolean): void;
}

/** A stream that runs. */
export interface Stream {
  /** Ends it; the listener hears nothing any more. */
  close(): void;
}

/** Milliseconds to wait after the service refused a stream: the first time, and at most. */
const AGAIN = 3000;
const AGAIN_MOST = 60_000;
/** Milliseconds after which events are told though no frame is drawn, as in a hidden tab. */
const HIDDEN = 1000;

/** Follows a job from its first event, or from the one after the number `after`. */
export function followJob(id: string, listener: Listener, after = 0): Stream {
  return follow(`/api/v1/jobs/${encodeURIComponent(id)}/events`, listener, after);
}

/** Follows the moves of all public jobs from now on. `reset` there means: load the list again. */
export function followQueue(listener: Listener): Stream {
  return follow("/api/v1/events", listener, null);
}

function follow(url: string, listener: Listener, after: number | null): Stream {
  const batch = batches<JobEvent>((events) => listener.events(events));
  let last = after;
  let wait = AGAIN;
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const stop = (): void => {
    clearTimeout(timer);
    source?.close();
    removeEventListener("pagehide", hide);
    removeEventListener("pageshow", back);
  };
  const number = (message: MessageEvent): void => {
    const id = Number(message.lastEventId);
    if (Number.isSafeInteger(id)) last = id;
  };
  const open = (): void => {
    // The browser repeats the number of the last event by itself while it holds this source; a new one starts from ours.
    const from = new EventSource(last === null ? url : `${url}?after=${last}`);
    source = from;
    from.onopen = () => {
      wait = AGAIN;
      listener.connected?.(true);
    };
    from.onerror = () => {
      listener.connected?.(false);
      // Interrupted streams are opened again by the browser; refused ones, as with 429, are not.
      if (from.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(open, wait);
      wait = Math.min(2 * wait, AGAIN_MOST);
    };
    for (const kind of Object.keys(KINDS)) {
      from.addEventListener(kind, (message) => {
        number(message);
        batch.add(JSON.parse(message.data) as JobEvent);
      });
    }
    from.addEventListener("reset", (message) => {
      number(message);
      batch.drop();
      listener.reset?.();
    });
    from.addEventListener("end", (message) => {
      stop();
      batch.flush();
      listener.end?.((JSON.parse(message.data) as { state: JobState }).state);
    });
  };
  // A page that is kept for the back button must not hold one of the few streams that a reader may have.
  const hide = (): void => {
    clearTimeout(timer);
    source?.close();
  };
  const back = (event: PageTransitionEvent): void => {
    if (event.persisted) open();
  };
  addEventListener("pagehide", hide);
  addEventListener("pageshow", back);
  open();
  return {
    close: () => {
      stop();
      batch.drop();
    },
  };
}

/** Collects what comes and tells it once a frame; in a hidden tab once a second. */
export function batches<T>(tell: (all: readonly T[]) => void): {
  add(one: T): void;
  flush(): void;
  drop(): void;
} {
  let waiting: T[] = [];
  let frame = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const unplan = (): void => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    timer = undefined;
  };
  const flush = (): void => {
    unplan();
    const all = waiting;
    waiting = [];
    if (all.length > 0) tell(all);
  };
  return {
    add: (one) => {
      waiting.push(one);
      if (timer !== undefined) return;
      frame = requestAnimationFrame(flush);
      timer = setTimeout(flush, HIDDEN);
    },
    flush,
    drop: () => {
      unplan();
      waiting = [];
    },
  };
}
