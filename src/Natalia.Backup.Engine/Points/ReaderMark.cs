using System.Diagnostics;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Points;

/// <summary>
/// Says to every machine that a point is being read for longer than a restore takes: it is neither removed nor its
/// space given back. Renewed in the background by the injected clock; runs out by itself when its process dies. Backups
/// never look at it. docs/format.md §10.
/// </summary>
public sealed class ReaderMark : IAsyncDisposable
{
    /// <summary>A mark that was not renewed for this long, by the store's clock, counts no more.</summary>
    internal static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(10);

    internal static readonly TimeSpan RenewEvery = TimeSpan.FromMinutes(2);

    private static readonly TimeSpan s_endWithin = TimeSpan.FromSeconds(10);

    private readonly RepositoryCore _core;
    private readonly string _prefix;
    private readonly byte[] _bytes;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _renewing;
    private long _renewedAt;
    private int _number;
    private int _disposed;

    private ReaderMark(RepositoryCore core, string prefix, byte[] bytes, long putAt)
    {
        (_core, _prefix, _bytes, _renewedAt) = (core, prefix, bytes, putAt);
        _renewing = RenewAsync();
    }

    /// <summary>
    /// False when it could not be renewed for so long that others may hold the reader for dead. A point that they
    /// remove stays readable for <see cref="Repositories.Repository.DefaultGrace"/>.
    /// </summary>
    public bool IsHeld => _core.Clock.GetElapsedTime(Interlocked.Read(ref _renewedAt)) < Lifetime;

    /// <exception cref="NataliaException"><c>StoreAccessDenied</c> with rights to read only; another store
    /// error.</exception>
    internal static async Task<ReaderMark> PutAsync(RepositoryCore core, string applianceId, Run run,
        CancellationToken cancellationToken)
    {
        Id128 holder = Id128.NewRandom();
        string prefix = $"{Layout.Readers(applianceId)}{run}.{holder}.";
        byte[] header = JsonText.Write(json =>
        {
            json.WriteStartObject();
            json.WriteString("appliance", applianceId);
            json.WriteNumber("sequence", run.Sequence);
            json.WriteString("run", run.Id.ToString());
            json.WriteString("holder", holder.ToString());
            json.WriteString("host", Environment.MachineName);
            json.WriteNumber("process", Process.GetCurrentProcess().Id);
            json.WriteString("user", Environment.UserName);
            json.WriteString("sinceUtc", JsonText.Time(core.Clock.UtcNow()));
            json.WriteEndObject();
        });
        byte[] bytes = SmallObject.Encode(ObjectKind.Lease, Id128.NewRandom(), header, [], ObjectKeys.None).Bytes;
        long at = core.Clock.GetTimestamp();
        await PutAsync(core, prefix, 0, bytes, cancellationToken).ConfigureAwait(false);
        return new ReaderMark(core, prefix, bytes, at);
    }

    private static Task PutAsync(RepositoryCore core, string prefix, int number, byte[] bytes,
        CancellationToken cancellationToken) =>
        core.Store.PutAsync(prefix + Layout.Number(number), new ObjectContent(bytes),
            new PutOptions { Class = ObjectClass.Transient }, cancellationToken);

    private async Task RenewAsync()
    {
        CancellationToken stop = _stop.Token;
        while (true)
        {
            try
            {
                await _core.Clock.WaitAsync(RenewEvery, stop).ConfigureAwait(false);
                long asked = _core.Clock.GetTimestamp();
                // A new name each time: what is there never changes.
                await PutAsync(_core, _prefix, _number + 1, _bytes, stop).ConfigureAwait(false);
                _number++;
                Interlocked.Exchange(ref _renewedAt, asked);
                await ReaderMarks.DeleteAsync(_core.Store, _prefix + Layout.Number(_number - 1),
                    stop).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception away) when (away is NataliaException or OperationCanceledException or IOException)
            {
                // The store is away: tried again. IsHeld tells when it was too long.
            }
        }
    }

    /// <summary>Takes the mark away. Never throws: one that cannot be taken away runs out.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        _stop.Cancel();
        await _renewing.ConfigureAwait(false);
        using var bounded = new CancellationTokenSource(s_endWithin);
        try
        {
            // The one before is there still where a renewal was broken off.
            for (int n = Math.Max(0, _number - 1); n <= _number + 1; n++)
                await ReaderMarks.DeleteAsync(_core.Store, _prefix + Layout.Number(n),
                    bounded.Token).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is NataliaException or OperationCanceledException)
        {
            // It runs out.
        }
        _stop.Dispose();
    }
}
