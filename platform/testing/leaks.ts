// A test file that leaves a socket, server or timer behind fails instead of hanging.
import { after } from 'node:test';

const exitGraceMs = 15_000;
const lastGraceMs = 500;

/**
 * After the file's last test the process should end by itself. What keeps it alive for 15 s is named, and the file fails; its own
 * hooks run in that time. Called when the testing kit is imported.
 */
export function failOnLeaks(): void {
  const tell = () => {
    const kept = process.getActiveResourcesInfo();
    process.stderr.write(`leak: this test file leaves open: ${kept.join(', ') || 'something unknown'}\n`);
    process.exit(1);
  };
  after(() => {
    // A machine that stood still all that time has closed nothing: what was about to end then ends between the two.
    setTimeout(() => setTimeout(tell, lastGraceMs).unref(), exitGraceMs).unref();
  });
}
