// Spans by https://opentelemetry.io/docs/specs/otel/trace/api/. The SDK, if any, is loaded before the server: docs/operations.md, Traces.
import {
  type Attributes,
  INVALID_SPAN_CONTEXT,
  ProxyTracerProvider,
  type Span,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';

const tracer = trace.getTracer('cerebra');

/** Of nothing: it can't be told from one of a trace that nobody records. */
const noSpan = trace.wrapSpanContext(INVALID_SPAN_CONTEXT);

function isTraced(): boolean {
  const provider = trace.getTracerProvider();
  return !(provider instanceof ProxyTracerProvider) || provider.getDelegateTracer('cerebra') !== undefined;
}

async function traced<T>(name: string, attributes: Attributes, work: (span: Span) => Promise<T>): Promise<T> {
  return tracer.startActiveSpan(name, { attributes }, async (active) => {
    try {
      return await work(active);
    } catch (error) {
      active.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.name : 'error' });
      throw error;
    } finally {
      active.end();
    }
  });
}

/** Runs `work` within a span. Attributes carry no resource content. Without a registered SDK this is `work` and no more. */
export const span = <T>(name: string, attributes: Attributes, work: (span: Span) => Promise<T>): Promise<T> =>
  isTraced() ? traced(name, attributes, work) : work(noSpan);
