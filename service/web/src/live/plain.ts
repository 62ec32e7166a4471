// A line that a program wrote, as text for a page: the same as src/http/pages/plain.rs, which says what is taken out.

// ESC [ … letter, ESC ] … BEL and its kin to their end, the short ones, and the single characters that stand for them.
const SEQUENCES =
  /(?:\u001b\[|\u009b)[\u0020-\u003f]*[@-~]?|(?:\u001b[\]PX^_]|\u009d)(?:(?!\u001b\\)[^\u0007\u009c])*(?:\u0007|\u009c|\u001b\\)?|\u001b[\u0020-\u002f][^]?|\u001b[^]?/gu;
const HIDDEN = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu;
/** Only a line that holds one of these has to be looked at. */
const SUSPECT = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/u;

/** The text of one line, without its end. Of one that was written over and over the last state is left. */
export function plainLine(raw: string): string {
  if (!SUSPECT.test(raw)) return raw;
  const line = raw.replace(SEQUENCES, "").replace(/\r+$/, "");
  return line.slice(line.lastIndexOf("\r") + 1).replace(HIDDEN, "");
}
