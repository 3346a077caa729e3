namespace Natalia.Backup.Engine.Storage.Folders;

/// <summary>A folder on a share, and the connection to it, which ends with the store.</summary>
/// <param name="inner">The folder.</param>
/// <param name="share">The connection.</param>
public sealed class ShareStore(IObjectStore inner, NetworkShare share) : WrappedStore(inner)
{
    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        if (disposing) share.Dispose();
    }
}
