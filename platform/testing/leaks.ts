// A test file that leaves a socket, server or timer behind fails instead of hanging.
import { after } from 'node:test';

const exitGraceMs = 5_000;

/**
 * After the file's last test the process should end by itself. If something keeps it alive for 5 s, that is named and
 * the file fails. Called when the testing kit is imported.
 */
export function failOnLeaks(): void {
  after(() => {
    const timer = setTimeout(() => {
      const kept = process.getActiveResourcesInfo();
      process.stderr.write(`leak: this test file leaves open: ${kept.join(', ') || 'something unknown'}\n`);
      process.exit(1);
    }, exitGraceMs);
    timer.unref();
  });
}
