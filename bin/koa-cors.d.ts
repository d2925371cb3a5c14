// The part of @koa/cors that is used; the package has no types.
declare module '@koa/cors' {
  import type { Context, Middleware } from 'koa';

  export interface Options {
    /** The origin to allow; empty for none. */
    origin: (ctx: Context) => string;
    exposeHeaders: string[];
    allowMethods: string[];
    allowHeaders: string[];
    maxAge: number;
  }

  export default function cors(options: Options): Middleware;
}
