using System.Collections.ObjectModel;

namespace Natalia.Backup.Engine.Model;

/// <summary>
/// A list in a result: as text it is its items, so that a cell of a CSV file or of a grid shows them. Immutable and
/// job-safe. A script counts it, indexes it and loops over it like an array, and JSON has an array;
/// <c>-is [array]</c> is false.
/// </summary>
/// <typeparam name="T">What it holds.</typeparam>
public sealed class ItemList<T> : ReadOnlyCollection<T>
{
    internal ItemList(IList<T> items)
        : base(items)
    {
    }

    /// <summary>How many items it holds: what scripts ask an array for.</summary>
    public int Length => Count;

    /// <summary>The list without items.</summary>
    internal static ItemList<T> None { get; } = new([]);

    /// <summary>The items, with a comma and a blank between them.</summary>
    public override string ToString() => string.Join(", ", Items);
}

/// <summary>Makes lists for results.</summary>
public static class ItemList
{
    /// <summary>A list of the same items, which does not change with what it was made of.</summary>
    /// <typeparam name="T">What it holds.</typeparam>
    /// <param name="items">The items.</param>
    public static IReadOnlyList<T> Of<T>(IReadOnlyList<T> items) =>
        items as ItemList<T> ?? (items.Count == 0 ? ItemList<T>.None : new ItemList<T>([.. items]));

    /// <summary>The same, or null for none.</summary>
    /// <typeparam name="T">What it holds.</typeparam>
    /// <param name="items">The items, or null.</param>
    public static IReadOnlyList<T>? OfAny<T>(IReadOnlyList<T>? items) => items is null ? null : Of(items);
}
