/** What the tests use of it; the package has no types. */
declare module "oidc-provider" {
  import type { EventEmitter } from "node:events"
  import type { RequestListener } from "node:http"

  export interface Context {
    readonly oidc: {
      readonly client: { readonly clientId: string }
      readonly params: Readonly<Record<string, string | undefined>>
      readonly body?: Readonly<Record<string, string>>
    }
    readonly path: string
    readonly headers: Readonly<Record<string, string | undefined>>
    body: unknown
  }

  interface Model {
    readonly jti: string
    readonly expiration: number
    readonly scope?: string
    readonly save: () => Promise<string>
    readonly destroy: () => Promise<void>
  }

  interface Grant extends Model {
    readonly addOIDCScope: (scope: string) => void
  }

  interface ModelClass<M extends Model = Model> {
    new (properties: Readonly<Record<string, unknown>>): M
    readonly find: (value: string) => Promise<M | undefined>
  }

  export default class Provider extends EventEmitter {
    constructor(issuer: string, configuration: Readonly<Record<string, unknown>>)
    readonly callback: () => RequestListener
    readonly registerGrantType: (
      name: string,
      handler: (context: Context) => Promise<void>,
      parameters: ReadonlyArray<string>
    ) => void
    readonly Client: { readonly find: (id: string) => Promise<object | undefined> }
    readonly Grant: ModelClass<Grant>
    readonly RefreshToken: ModelClass
    readonly AccessToken: ModelClass
    readonly ClientCredentials: ModelClass
  }

  export const errors: { readonly InvalidGrant: new (message: string) => Error }
}

declare module "oidc-provider/lib/adapters/memory_adapter.js" {
  export const createMemoryAdapter: (clockTolerance: number) => (name: string) => object
}
