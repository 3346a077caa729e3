namespace Natalia.Backup.Engine.Storage;

/// <summary>A store below which there can be other ones, under names that no object has: a folder.</summary>
internal interface INestedStores
{
    /// <summary>The names of the folders in it, some of them where there are very many.</summary>
    /// <param name="atMost">How many.</param>
    IReadOnlyList<string> Names(int atMost);

    /// <summary>Opens one of them as a store of its own.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    IObjectStore Open(string name);

    /// <summary>Where it is, as somebody would type it.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    string Place(string name);
}
