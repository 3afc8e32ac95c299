/** The injection token of the program's {@link Clock}; an interface has no value to inject by. */
export const CLOCK = Symbol('Clock')

/** The injection token of the settings in force, a {@link Config}. */
export const CONFIG = Symbol('Config')
