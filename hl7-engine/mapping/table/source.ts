// Where a row's value comes from: a field, repetition or component of its segment or of another of the group.
import type { Part } from '../../message/message.ts';
import type { RowContext } from './context.ts';
import type { Source } from './row.ts';

function fieldOf(context: RowContext, { segment, field }: Source): Part | undefined {
  const holder = segment === undefined ? context.segment : context.group.nearest(segment);
  return holder?.field(field);
}

/** The field, or of it the repetition and component that the source names; undefined where there is no such segment. */
export function partOf(context: RowContext, source: Source): Part | undefined {
  const field = fieldOf(context, source);
  if (field === undefined || field.raw === '') return field;
  return inner(source.repetition === undefined ? field : field.repetition(source.repetition), source);
}

/** The component or subcomponent that the source names, of a repetition. */
export function inner(part: Part, { component, subcomponent }: Source): Part {
  if (component === undefined) return part;
  const within = part.component(component);
  return subcomponent === undefined ? within : within.subcomponent(subcomponent);
}

/** The same, prepared: most rows read a whole field of their own segment, and most of those are empty. */
export function readerOf(source: Source): (context: RowContext) => Part | undefined {
  const { segment, field, repetition, component } = source;
  if (segment === undefined && repetition === undefined && component === undefined) {
    return (context) => context.segment.field(field);
  }
  return (context) => partOf(context, source);
}
