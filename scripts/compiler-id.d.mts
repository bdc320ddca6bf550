export declare function compilerId(root?: string): string;
export declare function compilerIdModule(): string;
export declare function compilerIdPlugin(): { name: string; load(id: string): string | null };
