using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.VSphere.Reading;

/// <summary>A file on a datastore, as the server writes it: <c>[datastore] folder/name.vmdk</c>.</summary>
/// <param name="Datastore">The datastore's name.</param>
/// <param name="Path">The path on it, with slashes, without one in front.</param>
internal sealed record DatastorePath(string Datastore, string Path)
{
    private const string Descriptor = ".vmdk", Flat = "-flat.vmdk";

    /// <summary>Takes a server's text apart.</summary>
    /// <exception cref="NataliaException"><c>ServerAnswerInvalid</c>.</exception>
    internal static DatastorePath Parse(string text) => TryParse(text)
        ?? throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
            $"The server names a file as '{DisplayText.Clean(text)}', which is no path on a datastore.", text);

    /// <summary>Takes a text apart; null for one that is no path on a datastore.</summary>
    internal static DatastorePath? TryParse(string text)
    {
        // A datastore's name may have a bracket of its own; the one that ends it is followed by a space.
        int end = text.IndexOf("] ", StringComparison.Ordinal);
        if (end < 0) end = text.IndexOf(']');
        string path = end > 0 ? text.Substring(end + 1).TrimStart(' ') : "";
        // What climbs out of its folder is no path that a server gives.
        return text.StartsWith("[", StringComparison.Ordinal) && end > 1 && path.Length > 0
            && !path.Split('/', '\\').Contains("..")
            ? new DatastorePath(text.Substring(1, end - 1), path)
            : null;
    }

    /// <summary>The folder that it lies in, on its datastore; empty for none.</summary>
    internal string Folder => Path.Substring(0, Math.Max(0, Path.LastIndexOf('/')));

    /// <summary>The file with the bytes that belongs to an image's descriptor; null for a name that has none.</summary>
    internal DatastorePath? FlatFile() =>
        Path.EndsWith(Descriptor, StringComparison.OrdinalIgnoreCase)
            ? this with { Path = Path.Substring(0, Path.Length - Descriptor.Length) + Flat }
            : null;

    /// <summary>The address by which a server gives the file, and takes it (<c>/folder</c>).</summary>
    /// <param name="server">The server.</param>
    /// <param name="datacenterPath">The inventory path of the datacenter; null on a single host.</param>
    internal Uri AddressAt(Uri server, string? datacenterPath)
    {
        string path = string.Join("/", Path.Split('/').Select(Uri.EscapeDataString));
        string datacenter = datacenterPath is null ? "" : $"dcPath={Uri.EscapeDataString(datacenterPath)}&";
        return new Uri(server, $"/folder/{path}?{datacenter}dsName={Uri.EscapeDataString(Datastore)}");
    }

    /// <summary>As the server writes it.</summary>
    public override string ToString() => $"[{Datastore}] {Path}";
}
