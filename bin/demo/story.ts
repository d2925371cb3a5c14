// How the demo speaks: numbered chapters on the terminal, and errors in one sentence.

let chapters = 0;

export function chapter(title: string): void {
  chapters += 1;
  console.log(`\n${chapters}. ${title}`);
}

/** A line of the current chapter: a name and what became of it. */
export function tell(name: string, text: string): void {
  console.log(`   ${name.padEnd(20)} ${text}`);
}

/** `fhir-kit-client` puts the server's answer into `response.data`. */
interface FhirError extends Error {
  response?: { status: number; data?: { issue?: { diagnostics?: string }[] } };
}

export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { response } = error as FhirError;
  const diagnostics = response?.data?.issue?.map((issue) => issue.diagnostics).join('; ');
  if (response !== undefined) return `${error.message}${diagnostics ? `: ${diagnostics}` : ''}`;
  const causes =
    error.cause instanceof Error ? ` (${error.cause.message || (error.cause as { code?: string }).code})` : '';
  return `${error.message}${causes}`;
}
