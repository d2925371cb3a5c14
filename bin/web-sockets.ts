// Where web sockets come in: GET [base]/ws with Upgrade: websocket. https://www.rfc-editor.org/rfc/rfc6455#section-4.2
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { refuseUpgrade, type UpgradeRequest } from '#subscriptions';
import { FOREIGN_HOST, hostOf, namesUs, type Origins, takesFrom } from './cors.ts';
import { webSocketUrlOf } from './fhir.ts';

/** What happens to a patient, at the root or below the FHIR base. */
const patientPath = /^\/ws\/patient\/[^/]+$/;

export interface WebSocketEntry {
  /** `http://127.0.0.1:8080/fhir/R4` */
  fhirBaseUrl: string;
  origins: Origins;
  /** Takes the connection over; the handshake is not made yet. */
  take(request: UpgradeRequest, socket: Duplex, head: Buffer): void;
}

/**
 * A browser lets pages of any origin open a web socket, with no preflight and with its cookies: theirs are refused here
 * unless CORS_ORIGINS allows them.
 */
export function acceptWebSockets(server: Server, { fhirBaseUrl, origins, take }: WebSocketEntry): void {
  const { pathname } = new URL(webSocketUrlOf(fhirBaseUrl));
  const isOurs = namesUs(origins);
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const path = request.url?.split('?')[0] ?? '';
    if (path !== pathname && !patientPath.test(path.startsWith(pathname) ? path.slice(pathname.length - 3) : path)) {
      const text = `Web sockets are at ${pathname} and /ws/patient/[id]`;
      return refuseUpgrade(socket, 404, 'Not Found', text);
    }
    if (!isOurs(hostOf(request))) return refuseUpgrade(socket, 403, 'Forbidden', FOREIGN_HOST);
    if (!takesFrom(request.headers.origin, origins)) {
      return refuseUpgrade(socket, 403, 'Forbidden', 'Pages of this origin may not connect: see CORS_ORIGINS');
    }
    take(request, socket, head);
  });
}
