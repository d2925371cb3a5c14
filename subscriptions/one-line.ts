// Text of others in a line of ours: a subject, a name. Line ends within it would begin lines, or headers, of their own.

export const oneLine = (text: string): string => text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
