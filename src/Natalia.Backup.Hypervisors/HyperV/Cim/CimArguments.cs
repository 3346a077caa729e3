using System.Collections;

namespace Natalia.Backup.Hypervisors.HyperV.Cim;

/// <summary>One argument of a method, with its type: a null has one, too.</summary>
internal sealed record CimArgument(string Name, CimKind Kind, bool IsArray, object? Value);

/// <summary>The arguments of a call, in the order in which they were added.</summary>
internal sealed class CimArguments : IReadOnlyList<CimArgument>
{
    private readonly List<CimArgument> _arguments = [];

    internal static CimArguments None { get; } = [];

    public int Count => _arguments.Count;

    public CimArgument this[int index] => _arguments[index];

    internal void Add(string name, string? value) => Put(name, CimKind.String, value);

    internal void Add(string name, IReadOnlyList<string> values) =>
        Put(name, CimKind.String, values.ToArray(), isArray: true);

    internal void Add(string name, bool value) => Put(name, CimKind.Boolean, value);

    internal void Add(string name, byte value) => Put(name, CimKind.UInt8, value);

    internal void Add(string name, ushort value) => Put(name, CimKind.UInt16, value);

    internal void Add(string name, uint value) => Put(name, CimKind.UInt32, value);

    internal void Add(string name, ulong value) => Put(name, CimKind.UInt64, value);

    internal void Add(string name, DateTime? value) => Put(name, CimKind.DateTime, value);

    internal void Add(string name, CimPath value) => Put(name, CimKind.Reference, value);

    /// <summary>A reference to nothing.</summary>
    internal void AddNoReference(string name) => Put(name, CimKind.Reference, null);

    internal void Add(string name, IReadOnlyList<CimPath> values) =>
        Put(name, CimKind.Reference, values.ToArray(), isArray: true);

    public IEnumerator<CimArgument> GetEnumerator() => _arguments.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private void Put(string name, CimKind kind, object? value, bool isArray = false) =>
        _arguments.Add(new CimArgument(name, kind, isArray, value));
}
