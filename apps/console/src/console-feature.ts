import type { Provider, Type } from '@nestjs/common'

/** What a feature folder brings into the console. */
export interface ConsoleFeature {
  readonly controllers: readonly Type<unknown>[]
  readonly providers: readonly Provider[]
  /** The stores that its providers need; several features may name one. */
  readonly stores: readonly Type<unknown>[]
}
