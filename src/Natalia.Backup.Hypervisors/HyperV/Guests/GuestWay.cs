namespace Natalia.Backup.Hypervisors.HyperV.Guests;

/// <summary>What a way into guests over the isolated switch needs.</summary>
/// <param name="Dialer">Logs in.</param>
/// <param name="Interfaces">Reads the interfaces of this machine.</param>
internal sealed record GuestWay(IGuestDialer Dialer, Func<IReadOnlyList<LocalInterface>> Interfaces);
