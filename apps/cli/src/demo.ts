export async function demo(_options: { readonly keep?: boolean }): Promise<void> {}
