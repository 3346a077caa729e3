using System.Xml.Linq;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.VSphere.Client;

/// <summary>
/// A session with a vCenter or with one ESXi host. All members may be called from any thread. A session that ran out is
/// renewed once for each call, and the call is repeated: a server that does not know the session has done nothing.
/// </summary>
internal interface IVimService : IDisposable
{
    /// <summary>The server, <c>https://host:port/</c>. Addresses of files begin with it.</summary>
    Uri BaseUri { get; }

    /// <summary>Whether the server is a vCenter; else it is one ESXi host.</summary>
    bool IsVirtualCenter { get; }

    /// <summary>
    /// What the server says of itself: the element <c>about</c> (version, build, apiVersion, instanceUuid).
    /// </summary>
    XElement About { get; }

    /// <summary>The clock of waits.</summary>
    TimeProvider Clock { get; }

    /// <summary>
    /// A singleton of the server by its name in ServiceContent: <c>rootFolder</c>, <c>propertyCollector</c>,
    /// <c>fileManager</c>, <c>virtualDiskManager</c>, <c>guestOperationsManager</c>, …
    /// </summary>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c>: this server has none.</exception>
    VimReference Singleton(string name);

    /// <summary>Calls a method.</summary>
    /// <param name="target">The object.</param>
    /// <param name="method">The method's name in the WSDL: <c>CreateSnapshotEx_Task</c>.</param>
    /// <param name="arguments">In the schema's order, after <c>_this</c>, made by <see cref="VimXml"/>; null ones are
    /// left out. Their values are in no message.</param>
    /// <returns>The elements <c>returnval</c>; none for a method that gives nothing.</returns>
    /// <exception cref="VimFaultException">The server refused.</exception>
    /// <exception cref="NataliaException"><c>ServerUnreachable</c>, <c>ServerNotTrusted</c>,
    /// <c>RequestOutcomeUnknown</c> (the connection broke after the call was sent and the method is none that only
    /// reads), <c>ServerAnswerInvalid</c>.</exception>
    Task<IReadOnlyList<XElement>> CallAsync(VimReference target, string method, IEnumerable<XElement?> arguments,
        CancellationToken cancellationToken);

    /// <summary>Properties of objects, page by page. Objects that are gone are missing.</summary>
    /// <param name="objects">Which objects; of any types.</param>
    /// <param name="paths">Which properties; each object must have them.</param>
    Task<IReadOnlyList<VimObject>> GetPropertiesAsync(IEnumerable<VimReference> objects, IEnumerable<string> paths,
        CancellationToken cancellationToken);

    /// <summary>Properties of all objects of a type below a container.</summary>
    /// <param name="container">A folder; null for the root.</param>
    /// <param name="type">The type: <c>VirtualMachine</c>.</param>
    /// <param name="paths">Which properties.</param>
    Task<IReadOnlyList<VimObject>> FindAsync(VimReference? container, string type, IEnumerable<string> paths,
        CancellationToken cancellationToken);

    /// <summary>Waits for a task.</summary>
    /// <param name="task">What a method whose name ends in <c>_Task</c> gave.</param>
    /// <param name="how">How long, and for what.</param>
    /// <param name="cancellationToken">Stops the wait; the task is asked to stop as well, where it can.</param>
    /// <returns>The element <c>result</c>; null when the task has none.</returns>
    /// <exception cref="VimFaultException">The task failed.</exception>
    /// <exception cref="NataliaException"><c>TaskNotFinished</c>.</exception>
    Task<XElement?> WaitTaskAsync(VimReference task, VimTaskOptions how, CancellationToken cancellationToken);

    /// <summary>
    /// Sends a request for bytes: <c>/folder</c>, the address of an export, a guest's file. Gives the answer when its
    /// head is there, whatever its status; the caller reads and disposes it. The session's cookie goes to the server
    /// itself and to nobody else; other hosts are trusted as <see cref="TrustHostAsync"/> says. No redirect is
    /// followed.
    /// </summary>
    /// <param name="request">Makes the request; called again when the session has run out (401 or 403).</param>
    /// <exception cref="NataliaException"><c>ServerUnreachable</c>, <c>ServerNotTrusted</c>.</exception>
    Task<HttpResponseMessage> SendAsync(Func<HttpRequestMessage> request, CancellationToken cancellationToken);

    /// <summary>
    /// Learns the certificate of an ESXi host from the vCenter that manages it (HostSystem.config.certificate), so that
    /// addresses at that host can be read although no authority of this machine signed it. Without a vCenter, or where
    /// it says nothing, what the connection trusts holds for the host as well.
    /// </summary>
    /// <param name="host">The host, <c>HostSystem</c>.</param>
    /// <returns>The names and addresses by which the host was learned.</returns>
    Task<IReadOnlyList<string>> TrustHostAsync(VimReference host, CancellationToken cancellationToken);

    /// <summary>
    /// Keeps the session alive while data flows: reading data does not renew it. May be held several times; ends with
    /// disposing.
    /// </summary>
    IDisposable KeepAlive();
}
