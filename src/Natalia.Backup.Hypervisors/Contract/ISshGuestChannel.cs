namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// A guest channel that goes over SSH and has no other way: it needs a credential with a host key. Any thread.
/// </summary>
public interface ISshGuestChannel : IGuestChannel;
