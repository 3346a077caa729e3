namespace Natalia.Backup.Hypervisors.VSphere.Client;

/// <summary>A managed object of a server, as its interface names it: <c>VirtualMachine</c>, <c>vm-42</c>.</summary>
/// <param name="Type">The type of the object.</param>
/// <param name="Value">Its id on that server; never an identity elsewhere.</param>
internal sealed record VimReference(string Type, string Value)
{
    /// <summary>The id, as a person finds it in the server's own pages.</summary>
    public override string ToString() => Value;
}
