-- Peers of the DICOM door are administered by permissions of their own.
INSERT INTO auth.django_content_type (app_label, model) VALUES ('dimse', 'peer') ON CONFLICT DO NOTHING;
INSERT INTO auth.auth_permission (name, content_type, content_type_id, codename)
    SELECT 'Can ' || action.name || ' peer', kind.app_label, kind.id, action.name || '_peer'
    FROM auth.django_content_type AS kind
    CROSS JOIN (VALUES ('add'), ('change'), ('delete'), ('view')) AS action (name)
    WHERE kind.app_label = 'dimse' AND kind.model = 'peer'
    ORDER BY action.name
    ON CONFLICT DO NOTHING;
INSERT INTO auth.auth_group_permissions (group_id, permission_id)
    SELECT one.id, permission.id
    FROM auth.auth_group AS one
    JOIN auth.auth_permission AS permission ON permission.codename IN ('add_peer', 'change_peer', 'delete_peer', 'view_peer')
    WHERE one.name = 'administrator' OR (one.name = 'operator' AND permission.codename = 'view_peer')
    ON CONFLICT DO NOTHING;

-- A peer shows no token: ingest asks whether the account that it acts for may send into a collection now, and
-- learns nothing more of it. The function runs as who migrates.
CREATE FUNCTION auth.may_send(account bigint, sought text, OUT active boolean, OUT may_add boolean, OUT may_manage boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS
$$ BEGIN
    SELECT one.is_active,
        one.is_superuser OR EXISTS (
            SELECT FROM auth.auth_permission AS permission
            WHERE permission.codename = 'add_dicomfile' AND (
                permission.id IN (
                    SELECT own.permission_id FROM auth.auth_user_user_permissions AS own WHERE own.user_id = one.id)
                OR permission.id IN (
                    SELECT given.permission_id FROM auth.auth_group_permissions AS given
                    JOIN auth.auth_user_groups AS member USING (group_id) WHERE member.user_id = one.id))),
        sought = 'user:' || one.id OR EXISTS (
            SELECT FROM auth.auth_group AS its
            JOIN auth.auth_user_groups AS member ON member.group_id = its.id
            WHERE member.user_id = one.id AND its.mode = 'manage' AND sought = 'group:' || its.id)
    INTO active, may_add, may_manage
    FROM auth.auth_user AS one WHERE one.id = account;
END $$;
REVOKE ALL ON FUNCTION auth.may_send(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.may_send(bigint, text) TO ingest;
