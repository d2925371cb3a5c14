// Spans by https://opentelemetry.io/docs/specs/otel/trace/api/. The SDK, if any, is registered by bin/.
import { type Attributes, type Span, SpanStatusCode, trace } from '@opentelemetry/api';

const tracer = trace.getTracer('cerebra');

/**
 * Runs `work` within a span. Attributes carry no resource content. Without a registered SDK this is one virtual call
 * and a shared no-op span.
 */
export async function span<T>(name: string, attributes: Attributes, work: (span: Span) => Promise<T>): Promise<T> {
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
