using System.Net;
using Natalia.Backup.Engine;
using Natalia.Backup.Serving.Disks;
using Natalia.Backup.Serving.Network;
using Natalia.Backup.Serving.Scsi;

namespace Natalia.Backup.Serving.Iscsi;

/// <summary>
/// Serves a disk by iSCSI (RFC 7143) as unit 0 of a target: several sessions with a connection each, CHAP, digests,
/// R2T; error recovery level 0.
/// </summary>
public sealed class IscsiTarget : DiskServer
{
    private readonly IReadOnlyList<string> _initiators;
    private readonly object _gate = new();
    private readonly Dictionary<string, IscsiSession> _sessions = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Nexus> _nexuses = new(StringComparer.Ordinal);
    private int _lastTsih;

    /// <param name="options">Where to listen.</param>
    /// <param name="name">The target's name: <c>iqn.2026-11.com.natalia:…</c>.</param>
    /// <param name="serial">The unit's serial number, 32 hexadecimal digits: no two disks may have the same.</param>
    /// <param name="disk">The disk; stays the caller's.</param>
    /// <param name="account">Who may log in; null for everybody.</param>
    /// <param name="initiators">The names of initiators that may log in; empty for all.</param>
    /// <exception cref="NataliaException"><c>AddressNotAvailable</c>.</exception>
    public IscsiTarget(ListenOptions options, string name, string serial, IServedDisk disk,
        ChapAccount? account = null, IReadOnlyList<string>? initiators = null) : base(options)
    {
        (Name, Account, _initiators) = (name, account, initiators ?? []);
        Unit = new ScsiUnit(new SectorDisk(disk, ScsiUnit.SectorBytes), new UnitIdentity(serial, name));
    }

    /// <summary>The target's name.</summary>
    public string Name { get; }

    internal ChapAccount? Account { get; }

    internal ScsiUnit Unit { get; }

    internal bool Allows(string initiator) =>
        _initiators.Count == 0 || _initiators.Contains(initiator, StringComparer.OrdinalIgnoreCase);

    internal ushort NewTsih() => (ushort)(Interlocked.Increment(ref _lastTsih) % ushort.MaxValue + 1);

    private protected override async Task ServeAsync(Stream stream, IPEndPoint peer,
        CancellationToken cancellationToken)
    {
        using var pdus = new PduStream(stream);
        if (await GreetAsync(stream, new IscsiLogin(pdus, this).ExecuteAsync, cancellationToken).ConfigureAwait(false)
            is not var (terms, cmdSn, statSn))
            return;
        (pdus.HasHeaderDigest, pdus.HasDataDigest) = (terms.HeaderDigest, terms.DataDigest);
        string name = $"{terms.InitiatorName},i,0x{terms.SessionId:x12}";
        using var session = new IscsiSession(this, pdus, stream, terms, NexusOf(name, terms.IsDiscovery), cmdSn,
            statSn);
        if (terms.IsDiscovery)
        {
            await session.ExecuteAsync(cancellationToken).ConfigureAwait(false);
            return;
        }
        try
        {
            await EnterAsync(name, session).ConfigureAwait(false);
            await session.ExecuteAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Leave(name, session);
        }
    }

    /// <summary>The same for every session of an initiator's port, so that its reservations outlive a lost
    /// connection.</summary>
    private Nexus NexusOf(string name, bool isDiscovery)
    {
        lock (_gate)
        {
            if (isDiscovery) return new Nexus(name);
            if (_nexuses.TryGetValue(name, out Nexus? known)) return known;
            // Names are the initiators' to choose: those that hold nothing are forgotten before there are too many.
            if (_nexuses.Count >= 1024)
            {
                foreach (string idle in _nexuses.Keys
                    .Where(n => !_sessions.ContainsKey(n) && !Unit.Reservations.Knows(_nexuses[n])).ToList())
                    _nexuses.Remove(idle);
            }
            var nexus = new Nexus(name);
            _nexuses[name] = nexus;
            return nexus;
        }
    }

    /// <summary>One that logs in again takes the place of the session that it had: RFC 7143 §6.3.5.</summary>
    private async Task EnterAsync(string name, IscsiSession session)
    {
        IscsiSession? before;
        lock (_gate)
        {
            _sessions.TryGetValue(name, out before);
            _sessions[name] = session;
        }
        if (before is not null)
        {
            before.Close();
            // What was written last through it must not come after what the new one writes.
            await before.AbortAllAsync().ConfigureAwait(false);
        }
        Unit.Enter(session.Nexus);
    }

    private void Leave(string name, IscsiSession session)
    {
        lock (_gate)
        {
            if (!_sessions.TryGetValue(name, out IscsiSession? current) || current != session) return;
            _sessions.Remove(name);
        }
        Unit.Leave(session.Nexus);
    }

    /// <summary>Ends all tasks of all sessions, and lets everybody know: a reset of the unit.</summary>
    internal async Task ResetAsync()
    {
        IscsiSession[] all;
        lock (_gate) all = [.. _sessions.Values];
        foreach (IscsiSession session in all) await session.AbortAllAsync().ConfigureAwait(false);
        Unit.Reset();
    }
}
