/** What a message of bytes asks for, at TAG_OFFSET. */
export const Tag = { oneWay: 0, echo: 1, prepare: 2, reach: 3 } as const;
