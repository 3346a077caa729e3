namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>
/// The server's <c>value,key=value,…</c> text, in which at most the first item has no key. What is not known is kept,
/// and the order too, so that one key can be changed without touching the others.
/// </summary>
internal sealed class PropertyString
{
    private readonly List<KeyValuePair<string?, string>> _items = [];

    private PropertyString() { }

    internal static PropertyString Parse(string text)
    {
        var parsed = new PropertyString();
        foreach (string item in text.Split(','))
        {
            if (item.Length == 0) continue;
            int equals = item.IndexOf('=');
            // The first item of a drive is a volume or a path, which may hold '=' itself only behind its colon or
            // slash.
            bool bare = equals < 0
                || (parsed._items.Count == 0 && item.IndexOfAny([':', '/']) is int mark and >= 0 && mark < equals);
            parsed._items.Add(bare ? new(null, item) : new(item.Substring(0, equals), item.Substring(equals + 1)));
        }
        return parsed;
    }

    /// <summary>The item without a key, or null.</summary>
    internal string? Bare => _items.Where(i => i.Key is null).Select(i => i.Value).FirstOrDefault();

    internal string? this[string key] => _items.Where(i => i.Key == key).Select(i => i.Value).FirstOrDefault();

    /// <summary>The keys in order, without the bare item.</summary>
    internal IEnumerable<string> Keys => _items.Where(i => i.Key is not null).Select(i => i.Key!);

    /// <summary>The same with one key set in its place, or added at the end.</summary>
    internal PropertyString With(string key, string value)
    {
        PropertyString copy = Copy();
        int at = copy._items.FindIndex(i => i.Key == key);
        if (at >= 0) copy._items[at] = new(key, value);
        else copy._items.Add(new(key, value));
        return copy;
    }

    /// <summary>The same without a key.</summary>
    internal PropertyString Without(string key)
    {
        PropertyString copy = Copy();
        copy._items.RemoveAll(i => i.Key == key);
        return copy;
    }

    public override string ToString() =>
        string.Join(",", _items.Select(i => i.Key is null ? i.Value : $"{i.Key}={i.Value}"));

    private PropertyString Copy()
    {
        var copy = new PropertyString();
        copy._items.AddRange(_items);
        return copy;
    }
}
