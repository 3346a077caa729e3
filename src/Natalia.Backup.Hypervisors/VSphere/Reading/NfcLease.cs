using System.Globalization;
using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Inventory;

namespace Natalia.Backup.Hypervisors.VSphere.Reading;

/// <summary>
/// The right to export a snapshot (<c>HttpNfcLease</c>). It runs out unless progress is told, also while nothing moves;
/// that is done here, on the session's clock. Disposing gives it back.
/// </summary>
internal sealed class NfcLease : IAsyncDisposable
{
    private static readonly TimeSpan s_readyLimit = TimeSpan.FromMinutes(10), s_endLimit = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_poll = TimeSpan.FromSeconds(1), s_longest = TimeSpan.FromSeconds(60);

    private readonly IVimService _vim;
    private readonly VimReference _lease;
    private readonly string _what;
    private readonly CancellationTokenSource _stop = new();
    private Task _telling = Task.CompletedTask;
    private volatile string? _lost;
    private bool _isDisposed;

    private NfcLease(IVimService vim, VimReference lease, string what) => (_vim, _lease, _what) = (vim, lease, what);

    /// <summary>What can be fetched.</summary>
    internal IReadOnlyList<NfcDevice> Devices { get; private set; } = [];

    /// <summary>How far the transfer is, 0 to 100; asked when progress is told.</summary>
    internal Func<int> Percent { get; set; } = () => 0;

    /// <summary>Why the lease is gone, as the end of a sentence; null while it is held.</summary>
    internal string? Lost => _lost;

    /// <summary>Asks for the export of a snapshot, and waits until it is ready.</summary>
    /// <param name="vim">The session.</param>
    /// <param name="snapshot">The snapshot.</param>
    /// <param name="what">What it is of, for messages.</param>
    /// <exception cref="VimFaultException">The server refused.</exception>
    /// <exception cref="NataliaException"><c>TaskFailed</c>, <c>TaskNotFinished</c>.</exception>
    internal static async Task<NfcLease> ExportAsync(IVimService vim, VimReference snapshot, string what,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<XElement> answer = await vim.CallAsync(snapshot, "ExportSnapshot", [],
            cancellationToken).ConfigureAwait(false);
        if (answer.Count != 1 || VimXml.ReferenceOf(answer[0]) is not VimReference reference)
            throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                $"The server gave no lease for the export of {what}.", what);
        var lease = new NfcLease(vim, reference, what);
        try
        {
            await lease.WaitReadyAsync(cancellationToken).ConfigureAwait(false);
            return lease;
        }
        catch
        {
            await lease.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Stops telling progress and gives the lease back, bounded. A lease that is gone is no error.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        _stop.Cancel();
        await _telling.ConfigureAwait(false);
        using var limit = new CancellationTokenSource(s_endLimit);
        try
        {
            await _vim.CallAsync(_lease, _lost is null ? "HttpNfcLeaseComplete" : "HttpNfcLeaseAbort", [],
                limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is NataliaException or OperationCanceledException)
        {
            // It runs out by itself, and the snapshot can go all the same; if not, removing that says so.
        }
        finally
        {
            _stop.Dispose();
        }
    }

    private async Task WaitReadyAsync(CancellationToken cancellationToken)
    {
        long started = _vim.Clock.GetTimestamp();
        while (true)
        {
            IReadOnlyList<VimObject> found = await _vim.GetPropertiesAsync([_lease], ["state"],
                cancellationToken).ConfigureAwait(false);
            string? state = found.FirstOrDefault()?.Text("state");
            if (state == "ready") break;
            if (state != "initializing")
                throw new NataliaException(ErrorIds.TaskFailed, NataliaErrorKind.ReadFailed,
                    $"The export of {_what} failed: {await WhyAsync(cancellationToken).ConfigureAwait(false)}.", _what);
            if (_vim.Clock.GetElapsedTime(started) > s_readyLimit)
                throw new NataliaException(ErrorIds.TaskNotFinished, NataliaErrorKind.Timeout,
                    $"The export of {_what} was not ready within {s_readyLimit.TotalMinutes:0} minutes.", _what);
            await _vim.Clock.WaitAsync(s_poll, cancellationToken).ConfigureAwait(false);
        }
        VimObject? lease = (await _vim.GetPropertiesAsync([_lease], ["info"], cancellationToken).ConfigureAwait(false))
            .FirstOrDefault();
        XElement? info = lease?["info"];
        Devices = [.. info.Members("deviceUrl").Select(NfcDevice.Read)];
        // The server says 300 seconds or so; what is absurd is not waited for.
        double timeout = Math.Min(Math.Max(info.Number("leaseTimeout") ?? 300, 3), 3600);
        TimeSpan every = TimeSpan.FromSeconds(Math.Min(timeout / 3, s_longest.TotalSeconds));
        _telling = TellAsync(every);
    }

    private async Task<string> WhyAsync(CancellationToken cancellationToken)
    {
        VimObject? lease = (await _vim.GetPropertiesAsync([_lease], ["error"],
            cancellationToken).ConfigureAwait(false)).FirstOrDefault();
        return lease?["error"].Text("localizedMessage")?.TrimEnd('.') ?? "the server gives no reason";
    }

    /// <summary>Tells progress until told to stop, or until the server does not know the lease any more.</summary>
    private async Task TellAsync(TimeSpan every)
    {
        int failures = 0;
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await _vim.Clock.WaitAsync(every, _stop.Token).ConfigureAwait(false);
                int percent = Math.Min(Math.Max(Percent(), 0), 100);
                await _vim.CallAsync(_lease, "HttpNfcLeaseProgress", [VimXml.Element("percent", percent)],
                    _stop.Token).ConfigureAwait(false);
                failures = 0;
            }
            catch (VimFaultException e)
            {
                _lost = string.Format(CultureInfo.InvariantCulture, "its lease ended ({0})", e.FaultName);
                return;
            }
            catch (NataliaException e)
            {
                // A server that is away for a moment; the lease outlives two such misses.
                if (++failures < 3) continue;
                _lost = $"its lease could not be held: {e.Message.TrimEnd('.')}";
                return;
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }
}

/// <summary>What an export offers.</summary>
/// <param name="Key">Which device, as the server names it: <c>/vm-42/ParaVirtualSCSIController0:1</c>.</param>
/// <param name="Address">Where its bytes are; the host may be <c>*</c>: the server itself.</param>
/// <param name="IsDisk">Whether it is a disk; else a file such as the NVRAM.</param>
internal sealed record NfcDevice(string Key, string Address, bool IsDisk)
{
    internal static NfcDevice Read(XElement device) =>
        new(device.Text("key") ?? "", device.Text("url") ?? "", device.Flag("disk") ?? false);

    /// <summary>The product's id of the disk (<c>scsi0:1</c>); null where the key says none that is known.</summary>
    internal string? DiskId
    {
        get
        {
            string name = Key.Substring(Key.LastIndexOf('/') + 1);
            int digits = name.IndexOfAny("0123456789".ToCharArray());
            return digits > 0 && VirtualDiskDevice.BusOf(name.Substring(0, digits)) is string bus
                ? bus + name.Substring(digits)
                : null;
        }
    }
}
