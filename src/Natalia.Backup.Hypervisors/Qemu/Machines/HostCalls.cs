namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>
/// Stands between the hypervisor and the machine that it runs on, one call at a time. Tests let one of them fail, or
/// the process die there; otherwise nothing happens here.
/// </summary>
internal class HostCalls
{
    internal virtual void Before(string call) { }

    internal virtual void After(string call) { }

    internal T Make<T>(string call, Func<T> deed)
    {
        Before(call);
        T result = deed();
        After(call);
        return result;
    }

    internal void Make(string call, Action deed)
    {
        Before(call);
        deed();
        After(call);
    }

    internal async Task<T> MakeAsync<T>(string call, Func<Task<T>> deed)
    {
        Before(call);
        T result = await deed().ConfigureAwait(false);
        After(call);
        return result;
    }

    internal async Task MakeAsync(string call, Func<Task> deed)
    {
        Before(call);
        await deed().ConfigureAwait(false);
        After(call);
    }
}
