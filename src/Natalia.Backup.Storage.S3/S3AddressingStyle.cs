namespace Natalia.Backup.Storage.S3;

/// <summary>Where a request names its bucket.</summary>
public enum S3AddressingStyle
{
    /// <summary>
    /// As the server wants it: in the host name at AWS, in the path at an address or at localhost; elsewhere in the
    /// path, and where the server refuses that, in the host name.
    /// </summary>
    Auto,

    /// <summary>In the path: <c>https://host/bucket/key</c>.</summary>
    Path,

    /// <summary>
    /// In the host name: <c>https://bucket.host/key</c>. The name must be resolvable, and the server's certificate must
    /// cover it.
    /// </summary>
    Virtual,
}
