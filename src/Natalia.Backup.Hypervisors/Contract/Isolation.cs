namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// A VM is made for a test: nothing may leave it, and it carries the mark of its test from its first moment, so that a
/// bench finds it before it is finished, too.
/// </summary>
/// <param name="Network">The network that leads nowhere; every adapter is put on it before the VM can start.</param>
/// <param name="RunId">The test's id; kept in the VM's mark.</param>
public sealed record Isolation(string Network, string RunId);
