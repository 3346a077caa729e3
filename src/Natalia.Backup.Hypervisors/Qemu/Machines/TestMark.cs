namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>Says that a VM was made for a test, in its own description.</summary>
/// <param name="RunId">The test's id.</param>
/// <param name="Network">The network that every adapter must sit on.</param>
/// <param name="CreatedUtc">When it was made, UTC.</param>
internal sealed record TestMark(string RunId, string Network, DateTime CreatedUtc);
