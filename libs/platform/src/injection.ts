/** The injection token of the program's {@link Clock}; an interface has no value to inject by. */
export const CLOCK = Symbol('Clock')

/** The injection token of the settings in force, a {@link Config}. */
export const CONFIG = Symbol('Config')

/** The injection token of the program's {@link Entropy}. */
export const ENTROPY = Symbol('Entropy')

/** The injection token of the program's log, a {@link Logger}. */
export const LOG = Symbol('Log')

/** The injection token of a role's own {@link KeyStore}; each role provides its own. */
export const KEY_STORE = Symbol('KeyStore')
