using System.Net;
using Natalia.Backup.Engine;
using Natalia.Backup.Serving.Network;

namespace Natalia.Backup.Serving.Nbd;

/// <summary>
/// Serves disks by NBD: fixed newstyle handshake, structured replies, <c>base:allocation</c>, several connections to
/// one disk, TLS.
/// </summary>
public sealed class NbdServer : DiskServer
{
    private readonly IReadOnlyList<NbdExport> _exports;
    private readonly NbdTls? _tls;

    /// <param name="options">Where to listen.</param>
    /// <param name="exports">What to serve; a client that asks for no name gets the first.</param>
    /// <param name="tls">How to encrypt, which is demanded then; null for not at all.</param>
    /// <exception cref="NataliaException"><c>AddressNotAvailable</c>.</exception>
    public NbdServer(ListenOptions options, IReadOnlyList<NbdExport> exports, NbdTls? tls = null) : base(options) =>
        (_exports, _tls) = (exports, tls);

    private protected override async Task ServeAsync(Stream stream, IPEndPoint peer,
        CancellationToken cancellationToken)
    {
        using var handshake = new NbdHandshake(stream, _exports, _tls);
        if (await GreetAsync(stream, handshake.ExecuteAsync, cancellationToken).ConfigureAwait(false)
            is not NbdExport export)
            return;
        using var session = new NbdSession(handshake.Stream, handshake.Reader, export.Disk,
            handshake.HasStructuredReplies, handshake.HasAllocation);
        await session.ExecuteAsync(cancellationToken).ConfigureAwait(false);
    }
}
