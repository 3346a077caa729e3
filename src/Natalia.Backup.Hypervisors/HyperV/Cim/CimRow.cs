using System.Collections;
using System.Globalization;

namespace Natalia.Backup.Hypervisors.HyperV.Cim;

/// <summary>
/// One CIM object, or a bag of values like the outputs of a method. Values are null, Boolean, an integer of its own
/// width, String, DateTime (UTC), TimeSpan, <see cref="CimPath"/> for a reference, <see cref="CimRow"/> for an object
/// inside, or arrays of these. Names ignore case, as in CIM.
/// </summary>
internal sealed class CimRow(string className, CimPath? path, IReadOnlyDictionary<string, object?> values)
{
    internal static CimRow Empty { get; } = new("", null, new Dictionary<string, object?>());

    internal string ClassName => className;

    /// <summary>What names the object; null for one that stands nowhere.</summary>
    internal CimPath? Path => path;

    internal IReadOnlyDictionary<string, object?> Values => values;

    internal object? this[string name] => values.TryGetValue(name, out object? value) ? value : null;

    /// <summary>A value as text; null when it is null or not there.</summary>
    internal string? Text(string name) => this[name] switch
    {
        null => null,
        string text => text,
        CimPath reference => reference.ToString(),
        object other => Convert.ToString(other, CultureInfo.InvariantCulture),
    };

    /// <summary>The texts of an array; one text counts as an array of one, nothing as an empty one.</summary>
    internal IReadOnlyList<string> Texts(string name) => this[name] switch
    {
        string text => [text],
        IEnumerable many => [.. many.Cast<object?>()
            .Select(v => Convert.ToString(v, CultureInfo.InvariantCulture) ?? "")],
        _ => [],
    };

    /// <summary>A number of any width; null when it is none or does not fit.</summary>
    internal long? Number(string name) => ToNumber(this[name]);

    /// <summary>The numbers of an array; those that are none are left out.</summary>
    internal IReadOnlyList<long> Numbers(string name) => this[name] is IEnumerable many and not string
        ? [.. many.Cast<object?>().Select(ToNumber).OfType<long>()]
        : [];

    internal bool? Flag(string name) => this[name] as bool?;

    /// <summary>A point in time, UTC.</summary>
    internal DateTime? Time(string name) => this[name] is DateTime time ? time : null;

    internal CimPath? Reference(string name) => this[name] switch
    {
        CimPath reference => reference,
        CimRow row => row.Path,
        _ => null,
    };

    internal static long? ToNumber(object? value) => value switch
    {
        byte n => n,
        sbyte n => n,
        ushort n => n,
        short n => n,
        uint n => n,
        int n => n,
        long n => n,
        ulong n when n <= long.MaxValue => (long)n,
        _ => null,
    };

    public override string ToString() => path?.ToString() ?? className;
}
