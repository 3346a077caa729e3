using System.Net;
using System.Threading.Channels;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Reading;

namespace Natalia.Backup.Hypervisors.VSphere.Builds;

/// <summary>
/// A disk that is uploaded to a datastore: its flat file in one request from the first byte to the last, for a server
/// takes no offsets, and then the descriptor, so that an image that has one is whole.
/// </summary>
/// <param name="files">The datastores.</param>
/// <param name="site">Where.</param>
/// <param name="descriptor">The descriptor's path.</param>
internal sealed class UploadTarget(DatastoreFiles files, Site site, DatastorePath descriptor) : IDiskTarget
{
    private const int PieceBytes = 1 << 20, MostPieces = 8;

    /// <summary>What VMware counts disks in.</summary>
    private const int Unit = 1024;

    /// <summary>How long a server may take nothing, or not answer when it has everything.</summary>
    private static readonly TimeSpan s_silenceLimit = TimeSpan.FromMinutes(15);

    /// <summary>How long an upload that was given up is waited for.</summary>
    private static readonly TimeSpan s_endLimit = TimeSpan.FromSeconds(10);

    private readonly Channel<ArraySegment<byte>> _pieces = Channel.CreateBounded<ArraySegment<byte>>(MostPieces);
    private readonly CancellationTokenSource _stop = new();
    private Task<HttpResponseMessage>? _sending;
    private long _size, _written;

    /// <summary>The disk's size in whole KiB, as the VM is told; 0 before it is begun.</summary>
    internal long SizeBytes => _size;

    /// <summary>The descriptor.</summary>
    internal DatastorePath Path => descriptor;

    /// <summary>Whether the disk was written to its end.</summary>
    internal bool IsCompleted { get; private set; }

    public bool AcceptsAnyOrder => false;

    public async Task BeginAsync(long sizeBytes, CancellationToken cancellationToken)
    {
        if (sizeBytes <= 0) throw new NataliaException(ErrorIds.DestinationWriteFailed, NataliaErrorKind.LimitExceeded,
            "A VM of VMware cannot have a disk without a single byte.", descriptor.ToString());
        _size = (sizeBytes + Unit - 1) / Unit * Unit;
        // A session that has run out is renewed now: an upload cannot be repeated.
        await files.Vim.CallAsync(new VimReference("ServiceInstance", "ServiceInstance"), "CurrentTime", [],
            cancellationToken).ConfigureAwait(false);
        DatastorePath flat = descriptor.FlatFile()!;
        bool wasSent = false;
        _sending = files.Vim.SendAsync(() =>
        {
            if (wasSent)
                throw new NataliaException(ErrorIds.DestinationWriteFailed, NataliaErrorKind.Authentication,
                    $"'{flat}' could not be written: the server ended the session.", flat.ToString(), "Try again.");
            wasSent = true;
            return new HttpRequestMessage(HttpMethod.Put, flat.AddressAt(files.Vim.BaseUri, site.DatacenterPath))
            {
                Content = new Body(_pieces.Reader, _size, _stop.Token),
            };
        }, _stop.Token);
    }

    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        if (_sending is null) throw new InvalidOperationException("The target has not begun.");
        if (offset < _written || offset > _size - bytes.Length)
            throw new ArgumentOutOfRangeException(nameof(offset), "Writes come ascending, inside the disk.");
        await FillAsync(offset, cancellationToken).ConfigureAwait(false);
        while (!bytes.IsEmpty)
        {
            int now = Math.Min(bytes.Length, PieceBytes);
            // The writer uses its memory again; the sender is later.
            await SendAsync(new ArraySegment<byte>(bytes.Slice(0, now).ToArray()),
                cancellationToken).ConfigureAwait(false);
            bytes = bytes.Slice(now);
        }
    }

    public async Task CompleteAsync(CancellationToken cancellationToken)
    {
        await FillAsync(_size, cancellationToken).ConfigureAwait(false);
        _pieces.Writer.TryComplete();
        using (Deadline limit = files.Vim.Clock.CreateDeadline(s_silenceLimit, cancellationToken))
        using (CancellationTokenRegistration _ = limit.Token.Register(_stop.Cancel))
        using (HttpResponseMessage answer = await FinishAsync(cancellationToken).ConfigureAwait(false))
            DatastoreFiles.Require(answer, descriptor.FlatFile()!);
        string flatName = System.IO.Path.GetFileName(descriptor.FlatFile()!.Path);
        await files.WriteAsync(site, descriptor, DatastoreFiles.Descriptor(flatName, _size),
            cancellationToken).ConfigureAwait(false);
        IsCompleted = true;
    }

    /// <summary>
    /// Ends an upload that was not completed, and waits, bounded, until nothing of it is under way any more: whoever
    /// removes what it left would find the file held.
    /// </summary>
    public void Dispose()
    {
        _stop.Cancel();
        _pieces.Writer.TryComplete();
        _sending?.ContinueWith(t =>
        {
            if (t.Status == TaskStatus.RanToCompletion) t.Result.Dispose();
            else _ = t.Exception;
        }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default)
            .Wait(s_endLimit);
    }

    /// <summary>Zeros up to an offset: a file has them, too.</summary>
    private async Task FillAsync(long until, CancellationToken cancellationToken)
    {
        while (_written < until)
        {
            int now = (int)Math.Min(until - _written, PieceBytes);
            await SendAsync(new ArraySegment<byte>(s_zeros, 0, now), cancellationToken).ConfigureAwait(false);
        }
    }

    private static readonly byte[] s_zeros = new byte[PieceBytes];

    private async Task SendAsync(ArraySegment<byte> piece, CancellationToken cancellationToken)
    {
        using Deadline limit = files.Vim.Clock.CreateDeadline(s_silenceLimit, cancellationToken);
        Task<bool> room = _pieces.Writer.WaitToWriteAsync(limit.Token).AsTask();
        if (await Task.WhenAny(room, _sending!).ConfigureAwait(false) == _sending && !room.IsCompleted)
        {
            // The server has answered before it had everything.
            using HttpResponseMessage early = await FinishAsync(cancellationToken).ConfigureAwait(false);
            DatastoreFiles.Require(early, descriptor.FlatFile()!);
            throw Broken("the server answered before it had everything", null);
        }
        try
        {
            if (!await room.ConfigureAwait(false) || !_pieces.Writer.TryWrite(piece))
                throw Broken("the upload has ended", null);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw Broken($"the server took nothing for {s_silenceLimit.TotalMinutes:0} minutes", e);
        }
        _written += piece.Count;
    }

    private async Task<HttpResponseMessage> FinishAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await _sending!.ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            throw Broken(e is OperationCanceledException ? "the server did not answer in time"
                : "the connection broke off", e);
        }
    }

    private NataliaException Broken(string why, Exception? inner) =>
        new(ErrorIds.DestinationWriteFailed, NataliaErrorKind.WriteFailed,
        $"'{descriptor.FlatFile()}' could not be written: {why}.", descriptor.ToString(),
        "See the host and the free space of its datastore, and try again.", inner);

    /// <summary>The body of the request, fed from the other side.</summary>
    private sealed class Body(ChannelReader<ArraySegment<byte>> pieces, long length, CancellationToken stop)
        : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            while (await pieces.WaitToReadAsync(stop).ConfigureAwait(false))
                while (pieces.TryRead(out ArraySegment<byte> piece))
                    await stream.WriteAsync(piece.Array!, piece.Offset, piece.Count, stop).ConfigureAwait(false);
        }

        protected override bool TryComputeLength(out long computed)
        {
            computed = length;
            return true;
        }
    }
}
