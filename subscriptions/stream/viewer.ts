// One who watches a patient: what was sent to it, and whether it still listens. https://www.rfc-editor.org/rfc/rfc6455
import type { WebSocket } from 'ws';
import type { AccessScope, ChangeCursor } from '#fhir-model';
import { type Closeable, closeCodes } from '../channels/websocket/open-sockets.ts';

export interface Viewer extends Closeable {
  /** Patient.id */
  patient: string;
  scope: AccessScope;
  /** What is before it has been sent, or concerned somebody else. */
  cursor: ChangeCursor;
  /** It has all up to where the stream is followed; before, it is being sent what it missed. */
  live: boolean;
  isOpen(): boolean;
  /** A client that leaves `unreadBytesMax` unread is closed: it comes back with the cursor of what it has read last. */
  send(text: string): void;
  /** Asks for a sign of life; cuts one that gave none since the last time. */
  beat(): void;
}

export interface ViewerOptions {
  socket: WebSocket;
  patient: string;
  scope: AccessScope;
  cursor: ChangeCursor;
  unreadBytesMax: number;
  closed(viewer: Viewer): void;
}

export function createViewer({ socket, unreadBytesMax, closed, ...about }: ViewerOptions): Viewer {
  let isAlive = true;
  const viewer: Viewer = {
    ...about,
    live: false,
    isOpen: () => socket.readyState === socket.OPEN,
    send(text) {
      if (socket.readyState !== socket.OPEN) return;
      if (socket.bufferedAmount > unreadBytesMax) {
        return socket.close(closeCodes.tryAgainLater, 'Too much is unread: come back with ?after= the last cursor');
      }
      socket.send(text, ignore);
    },
    close: (code, reason) => socket.close(code, reason),
    cut: () => socket.terminate(),
    beat() {
      if (!isAlive) return socket.terminate();
      isAlive = false;
      socket.ping('', undefined, ignore);
    },
  };
  socket.on('pong', () => {
    isAlive = true;
  });
  socket.on('message', () => socket.close(closeCodes.unsupported, 'This web socket takes no messages'));
  socket.on('error', ignore);
  socket.on('close', () => closed(viewer));
  return viewer;
}

/** A socket that fails also closes, and that is heard. */
const ignore = (): void => {};
