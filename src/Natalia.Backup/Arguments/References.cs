namespace Natalia.Backup.Arguments;

/// <summary>Help with lists of references.</summary>
internal static class References
{
    /// <summary>The list without what is empty: a property that is null binds as an empty entry.</summary>
    internal static IReadOnlyList<string>? Clean(IEnumerable<string?>? references) =>
        references is null ? null : [.. references.Where(r => !string.IsNullOrEmpty(r)).Cast<string>()];

    /// <summary>What the user named; an id counts where no name does.</summary>
    internal static IReadOnlyList<string> Named(IEnumerable<string?>? names, string? id) =>
        Clean(names) is { Count: > 0 } given ? given : Clean([id])!;
}
