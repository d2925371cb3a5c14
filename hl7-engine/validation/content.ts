// Checks what stands in segments: usage, cardinality, length, data types. HL7 v2.9 chapters 2.5.3 and 2B.5
import type { ErrorLocation } from '../message/refusal.ts';
import { type ElementModel, found, type SegmentModel, type Sink, type TypeModel } from './model.ts';
import {
  type DataNode,
  isBlank,
  isNull,
  partLocation,
  partOf,
  repetitionsOf,
  type SegmentNode,
  separatorOf,
  textOf,
  tokensOf,
} from './node.ts';

export function checkSegment(node: SegmentNode, model: SegmentModel, sink: Sink): void {
  for (const [index, element] of model.fields.entries()) checkField(node, index + 1, element, model, sink);
  checkSurplusFields(node, model, sink);
  for (const dynamic of model.dynamic) {
    const fault = dynamic.fault?.(node);
    if (fault === undefined) continue;
    const location = { ...node.location, field: fault.field };
    found(sink, location, { severity: 'warning', rule: 'table', condition: '103', text: fault.text });
  }
  for (const rule of model.rules) rule(node, sink);
}

function checkField(node: SegmentNode, number: number, element: ElementModel, model: SegmentModel, sink: Sink): void {
  const repetitions = repetitionsOf(node, number);
  // Most fields are empty: 3 of 4 in an ORU.
  if (repetitions.length === 0 && element.usage !== 'R') return;
  const location = { ...node.location, field: number };
  if (!checkUsage(element, repetitions.length > 0, location, sink)) return;
  const { name, min, max } = element;
  const count = repetitions.length;
  if (count > max) {
    const text = `${name} repeats ${count} times, ${max} at most may`;
    found(sink, { ...location, repetition: max + 1 }, { rule: 'cardinality', condition: '198', text });
  } else if (count < min) {
    const text = `${name} stands ${count} times, ${min} at least are needed`;
    found(sink, location, { rule: 'cardinality', condition: '198', text });
  }
  const dynamic = model.dynamic.find(({ position }) => position === number);
  const type = dynamic === undefined ? element.type : dynamic.typeOf(node);
  if (type === undefined) return;
  for (const repetition of repetitions) if (repetition.raw !== '') checkData(repetition, element, type, sink);
}

function checkSurplusFields(node: SegmentNode, { fields, name }: SegmentModel, sink: Sink): void {
  const { segment, reading, location } = node;
  if (!segment.field(fields.length + 1).isEmpty || isLonger(segment.raw, fields.length, reading.delimiters.field)) {
    const surplus = firstSurplus(node, fields.length + 1);
    if (surplus === undefined) return;
    const text = `${name} has ${fields.length} fields`;
    const severity = sink.severities.surplus;
    found(sink, { ...location, field: surplus }, { severity, rule: 'structure', condition: '102', text });
  }
}

/** More separators than fields: MSH has its first in front of MSH-2, so one too many is looked at in vain. */
function isLonger(raw: string, fields: number, separator: string): boolean {
  let count = 0;
  for (let at = raw.indexOf(separator); at >= 0; at = raw.indexOf(separator, at + 1)) {
    if (++count > fields) return true;
  }
  return false;
}

/** No segment of HL7 has 200 fields. */
const fieldsMax = 1000;

function firstSurplus({ segment }: SegmentNode, from: number): number | undefined {
  for (let number = from; number <= fieldsMax; number++) if (!segment.field(number).isEmpty) return number;
  return undefined;
}

/** Whether what stands there is to be looked at. */
function checkUsage({ usage, name }: ElementModel, isThere: boolean, location: ErrorLocation, sink: Sink): boolean {
  if (!isThere) {
    if (usage === 'R') found(sink, location, { rule: 'usage', condition: '101', text: `${name} is required` });
    return false;
  }
  if (usage === 'X') found(sink, location, { rule: 'usage', condition: '102', text: `${name} must not be sent (X)` });
  const { withdrawn } = sink.severities;
  if (usage === 'W' && withdrawn !== undefined) {
    const text = `${name} was withdrawn: leave it out`;
    found(sink, location, { severity: withdrawn, rule: 'usage', condition: '102', text });
  }
  return usage !== 'X' && usage !== 'W';
}

function checkData(node: DataNode, element: ElementModel, type: TypeModel, sink: Sink): void {
  if (isNull(node)) return;
  if (type.components.length > 0) checkComponents(node, type, sink);
  else if (!type.isOpen) checkPrimitive(node, element, type, sink);
  for (const rule of type.rules) rule(node, sink);
}

function checkComponents(node: DataNode, type: TypeModel, sink: Sink): void {
  const tokens = tokensOf(node);
  const { components } = type;
  for (const [index, component] of components.entries()) {
    const token = tokens[index] ?? '';
    const isThere = !isBlank(token, node.reading);
    if (!isThere && component.usage !== 'R') continue;
    if (!checkUsage(component, isThere, partLocation(node, index + 1), sink)) continue;
    checkData(partOf(node, index + 1, token), component, component.type, sink);
  }
  for (let index = components.length; index < tokens.length; index++) {
    if (isBlank(tokens[index]!, node.reading)) continue;
    const text = `${type.name} has ${components.length} components`;
    const severity = sink.severities.surplus;
    found(sink, partLocation(node, index + 1), { severity, rule: 'structure', condition: '102', text });
    return;
  }
}

function checkPrimitive(node: DataNode, element: ElementModel, type: TypeModel, sink: Sink): void {
  const { location } = node;
  const separator = separatorOf(node);
  if (separator !== '' && node.raw.includes(separator)) {
    const text = `${type.name} has no parts: escape the delimiter (\\S\\ or \\T\\)`;
    found(sink, location, { severity: sink.severities.surplus, rule: 'type', condition: '102', text });
    return;
  }
  const text = textOf(node);
  checkLength(node, text, element, sink);
  const fault = type.fault?.(text.trim());
  if (fault !== undefined) found(sink, location, { rule: 'type', condition: '102', text: `${element.name}: ${fault}` });
  if (element.constant !== undefined && text !== element.constant) {
    const told = `${element.name} is always "${element.constant}"`;
    found(sink, location, { rule: 'constant', condition: '103', text: told });
  }
}

/** Letters such as 𠮷, of names in Japan and China, are one character and two of JavaScript's. */
const charactersOf = (text: string): number => (/[\ud800-\udbff]/.test(text) ? [...text].length : text.length);

function checkLength(node: DataNode, text: string, element: ElementModel, sink: Sink): void {
  const { minLength, maxLength, isWhole, name } = element;
  const length = charactersOf(text);
  if (length > maxLength) {
    const told = `${name} has ${length} characters, ${maxLength} at most may`;
    found(sink, node.location, { severity: sink.severities.tooLong, rule: 'length', condition: '104', text: told });
  } else if (length < minLength) {
    const told = `${name} has ${length} characters, ${minLength} at least are needed`;
    found(sink, node.location, { rule: 'length', condition: '102', text: told });
  }
  const { truncation } = node.reading.delimiters;
  if (isWhole && truncation !== '' && node.raw.endsWith(truncation)) {
    found(sink, node.location, { rule: 'length', condition: '102', text: `${name} must not be cut` });
  }
}
