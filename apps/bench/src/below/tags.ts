/** What a message of bytes asks for, at TAG_OFFSET. */
export const Tag = {
  /** Count it, after reading every byte. */
  oneWay: 0,
  /** Send it back, after reading every byte. */
  echo: 1,
  /** The payload's name follows: the next messages are such ones. */
  prepare: 2,
  /** Answer when so many messages have come. */
  reach: 3,
  /** Count it. That its bytes were copied into a reused buffer is their reading; only its number and its last byte are looked at. */
  glance: 4,
  /** The same, with a fresh copy made of it. */
  fresh: 5,
  /** Count it, after reading every byte: all behind the tag are the number's lowest. */
  filled: 6,
} as const;
