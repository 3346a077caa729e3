using System.Xml.Linq;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.VSphere.Client;

/// <summary>Reads properties through the property collector, page by page.</summary>
internal sealed class PropertyReader(IVimService vim)
{
    private const int ObjectsPerCall = 200;
    private const int MaximumPages = 10_000;

    internal async Task<IReadOnlyList<VimObject>> GetAsync(IEnumerable<VimReference> objects,
        IEnumerable<string> paths, CancellationToken cancellationToken)
    {
        var found = new List<VimObject>();
        List<string> wanted = [.. paths];
        var left = new Queue<VimReference>(objects.Distinct());
        while (left.Count > 0)
        {
            var chunk = new List<VimReference>();
            while (chunk.Count < ObjectsPerCall && left.Count > 0) chunk.Add(left.Dequeue());
            while (chunk.Count > 0)
            {
                try
                {
                    found.AddRange(await RetrieveAsync(chunk.Select(o => o.Type).Distinct(), wanted,
                        chunk.Select(o => VimXml.Group("objectSet", VimXml.Reference("obj", o))),
                        cancellationToken).ConfigureAwait(false));
                    break;
                }
                catch (VimFaultException e) when (e.Is("ManagedObjectNotFound"))
                {
                    // The whole call is refused for one object that is gone.
                    VimReference? gone = VimXml.ReferenceOf(e.Detail.Member("obj"));
                    if (gone is not null && chunk.Remove(gone)) continue;
                    if (chunk.Count > 1)
                        foreach (VimReference one in chunk)
                            found.AddRange(await GetAsync([one], wanted, cancellationToken).ConfigureAwait(false));
                    break;
                }
            }
        }
        return found;
    }

    internal async Task<IReadOnlyList<VimObject>> FindAsync(VimReference? container, string type,
        IEnumerable<string> paths, CancellationToken cancellationToken)
    {
        IReadOnlyList<XElement> made = await vim.CallAsync(vim.Singleton("viewManager"), "CreateContainerView",
            [VimXml.Reference("container", container ?? vim.Singleton("rootFolder")), VimXml.Element("type", type),
                VimXml.Element("recursive", true)], cancellationToken).ConfigureAwait(false);
        VimReference view = VimXml.ReferenceOf(made.FirstOrDefault())
            ?? throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                "The server made no view of its inventory.");
        try
        {
            XElement start = VimXml.Group("objectSet", VimXml.Reference("obj", view), VimXml.Element("skip", true),
                VimXml.Typed("selectSet", "TraversalSpec", VimXml.Element("name", "view"),
                    VimXml.Element("type", "ContainerView"), VimXml.Element("path", "view"),
                    VimXml.Element("skip", false)));
            return await RetrieveAsync([type], [.. paths], [start], cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await DestroyAsync(view).ConfigureAwait(false);
        }
    }

    private async Task DestroyAsync(VimReference view)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        try
        {
            await vim.CallAsync(view, "DestroyView", [], limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is NataliaException or OperationCanceledException)
        {
            // It ends with the session.
        }
    }

    private async Task<List<VimObject>> RetrieveAsync(IEnumerable<string> types, List<string> paths,
        IEnumerable<XElement> objectSets, CancellationToken cancellationToken)
    {
        XElement specification = VimXml.Group("specSet",
            types.Select(t => VimXml.Group("propSet", VimXml.Element("type", t), VimXml.Element("all", false),
                paths.Select(p => VimXml.Element("pathSet", p)))),
            objectSets);
        VimReference collector = vim.Singleton("propertyCollector");
        var found = new List<VimObject>();
        XElement? page = (await vim.CallAsync(collector, "RetrievePropertiesEx",
            [specification, VimXml.Group("options")], cancellationToken).ConfigureAwait(false)).FirstOrDefault();
        for (int pages = 1; page is not null; pages++)
        {
            found.AddRange(page.Members("objects").Select(Read).OfType<VimObject>());
            if (page.Text("token") is not { Length: > 0 } token) break;
            if (pages >= MaximumPages)
                throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                    $"The server's list has more than {MaximumPages} pages.");
            page = (await vim.CallAsync(collector, "ContinueRetrievePropertiesEx", [VimXml.Element("token", token)],
                cancellationToken).ConfigureAwait(false)).FirstOrDefault();
        }
        return found;
    }

    private static VimObject? Read(XElement content)
    {
        if (VimXml.ReferenceOf(content.Member("obj")) is not VimReference reference) return null;
        var properties = new Dictionary<string, XElement>(StringComparer.Ordinal);
        foreach (XElement property in content.Members("propSet"))
            if (property.Text("name") is string name && property.Member("val") is XElement value)
                properties[name] = value;
        var missing = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (XElement property in content.Members("missingSet"))
            if (property.Text("path") is string path)
                missing[path] = VimXml.TypeOf(property.At("fault.fault")) ?? "";
        return new VimObject(reference, properties, missing);
    }
}
